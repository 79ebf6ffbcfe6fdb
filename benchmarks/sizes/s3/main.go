// Step 3 of opening ever larger files.
package main

import (
	_ "net/http"
)

func F() {}

func main() {}
