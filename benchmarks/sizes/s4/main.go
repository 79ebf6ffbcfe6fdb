// Step 4 of opening ever larger files.
package main

import (
	_ "google.golang.org/grpc"
	_ "net/http"
)

func F() {}

func main() {}
