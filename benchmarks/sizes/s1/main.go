// Step 1 of opening ever larger files.
package main

func F() {}

func main() {}
