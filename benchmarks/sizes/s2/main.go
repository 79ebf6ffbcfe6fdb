// Step 2 of opening ever larger files.
package main

import (
	_ "fmt"
	_ "encoding/json"
)

func F() {}

func main() {}
