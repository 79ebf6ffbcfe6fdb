// The example from the documentation of Go's package plugin.
package main

import "fmt"

var V int

func F() { fmt.Printf("Hello, number %d\n", V) }

func main() {} // never runs in a plugin
