// The example from the documentation of Go's package plugin.
package main

import "fmt"

var V int

func F() { fmt.Printf("Hello, number %d\n", V) }

func main() {} // a plugin needs one, but it never runs
