// Step 5 of opening ever larger files.
package main

import (
	_ "google.golang.org/grpc"
	_ "modernc.org/sqlite"
	_ "net/http"
)

func F() {}

func main() {}
