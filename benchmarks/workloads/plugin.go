// Package main is a plugin of the workloads that the throughput benchmark runs: each takes a size
// and returns a number that depends on all the work done.
package main

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"math/big"
	"regexp"
	"sort"
	"strings"
	"sync"
)

// Fib is calls and nothing else.
func Fib(n int) int {
	if n < 2 {
		return n
	}
	return Fib(n-1) + Fib(n-2)
}

// Sha256 hashes n KiB.
func Sha256(n int) int {
	block := make([]byte, 1024)
	hash := sha256.New()
	for i := 0; i < n; i++ {
		block[i%1024] = byte(i)
		hash.Write(block)
	}
	sum := hash.Sum(nil)
	return int(sum[0])<<8 | int(sum[1])
}

func numbers(n int) []int {
	out, state := make([]int, n), uint64(88172645463325252)
	for i := range out {
		state ^= state << 13
		state ^= state >> 7
		state ^= state << 17
		out[i] = int(state >> 1)
	}
	return out
}

// SortInts sorts n pseudo-random integers.
func SortInts(n int) int {
	all := numbers(n)
	sort.Ints(all)
	return all[n/2] & 0xffff
}

type record struct {
	Name  string             `json:"name"`
	Tags  []string           `json:"tags"`
	Score float64            `json:"score"`
	Attr  map[string]float64 `json:"attr"`
}

// JSON writes and reads n records.
func JSON(n int) int {
	total := 0
	for i := 0; i < n; i++ {
		in := record{fmt.Sprint("record", i), []string{"a", "bc", "def"}, float64(i) / 3,
			map[string]float64{"x": float64(i), "y": 0.5}}
		text, err := json.Marshal(in)
		if err != nil {
			panic(err)
		}
		var out record
		if err := json.Unmarshal(text, &out); err != nil {
			panic(err)
		}
		total += len(text) + len(out.Attr)
	}
	return total
}

// MapInsert fills a map with n entries and reads them back.
func MapInsert(n int) int {
	m := make(map[int]int)
	for i := 0; i < n; i++ {
		m[i*7919] = i
	}
	total := 0
	for i := 0; i < n; i++ {
		total += m[i*7919]
	}
	return total & 0xffff
}

type node struct{ left, right *node }

// Alloc builds and drops trees of n nodes.
func Alloc(n int) int {
	var build func(depth int) *node
	build = func(depth int) *node {
		if depth == 0 {
			return &node{}
		}
		return &node{build(depth - 1), build(depth - 1)}
	}
	count := 0
	for made := 0; made < n; made += 1 << 13 {
		tree := build(12)
		for t := tree; t != nil; t = t.left {
			count++
		}
	}
	return count
}

// Strings builds, splits and joins n words.
func Strings(n int) int {
	var b strings.Builder
	for i := 0; i < n; i++ {
		fmt.Fprintf(&b, "word%d ", i%100)
	}
	words := strings.Fields(strings.ToUpper(b.String()))
	return len(strings.Join(words, "-")) + strings.Count(b.String(), "word9")
}

// Mandelbrot counts points of an n by n grid that stay bounded.
func Mandelbrot(n int) int {
	inside := 0
	for y := 0; y < n; y++ {
		for x := 0; x < n; x++ {
			cr, ci := 3*float64(x)/float64(n)-2, 2*float64(y)/float64(n)-1
			zr, zi, k := 0.0, 0.0, 0
			for ; k < 50 && zr*zr+zi*zi < 4; k++ {
				zr, zi = zr*zr-zi*zi+cr, 2*zr*zi+ci
			}
			if k == 50 {
				inside++
			}
		}
	}
	return inside
}

// Goroutines passes n numbers through three goroutines and a pool of workers.
func Goroutines(n int) int {
	in, out := make(chan int), make(chan int, 16)
	var workers sync.WaitGroup
	for i := 0; i < 4; i++ {
		workers.Add(1)
		go func() {
			defer workers.Done()
			for v := range in {
				out <- v * 2
			}
		}()
	}
	go func() {
		for i := 0; i < n; i++ {
			in <- i
		}
		close(in)
		workers.Wait()
		close(out)
	}()
	total := 0
	for v := range out {
		total += v
	}
	return total & 0xffff
}

var pattern = regexp.MustCompile(`(\w+)@(\w+)\.(com|org)`)

// Regexp searches n lines.
func Regexp(n int) int {
	found := 0
	for i := 0; i < n; i++ {
		line := fmt.Sprintf("mail number %d from user%d@example.org and others", i, i)
		found += len(pattern.FindStringSubmatch(line))
	}
	return found
}

// BigInt computes n factorial and counts its digits.
func BigInt(n int) int {
	product := big.NewInt(1)
	for i := 2; i <= n; i++ {
		product.Mul(product, big.NewInt(int64(i)))
	}
	return len(product.String())
}

func main() {}
