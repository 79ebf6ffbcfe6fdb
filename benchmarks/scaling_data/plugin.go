// Functions whose work grows with what they are given.
package main

import "runtime"

type node struct {
	next *node
	room [6]int
}

var kept []byte

var heap *node

var nodes int

// Fill writes to as many bytes, one page after the other.
func Fill(bytes int) int {
	kept = make([]byte, bytes)
	for at := 0; at < bytes; at += 4096 {
		kept[at] = 1
	}
	return len(kept)
}

// Grow keeps objects of 56 bytes, each of which points to the one before.
func Grow(count int) int {
	for ; nodes < count; nodes++ {
		heap = &node{next: heap}
	}
	return nodes
}

// Collect runs the collector to its end.
func Collect() { runtime.GC() }

func Length(text string) int { return len(text) }

func Count(numbers []int) int { return len(numbers) }

func Echo(text string) string { return text }

func main() {}
