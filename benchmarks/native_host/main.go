// Command native_host opens a plugin with Go's own loader and tells how long that takes.
//
//	native_host open PLUGIN [FUNCTION]        opens it once, calls func() if it is told one
//	native_host call PLUGIN FUNCTION COUNT    calls func(int, int) int
//	native_host run PLUGIN FUNCTION SIZE      calls func(int) int twice, and times the second call
//	native_host serve PLUGIN FUNCTION         answers pairs of int64 on stdin with their result
//	native_host rpc PLUGIN FUNCTION COUNT     calls func(int, int) int in a process of its own, by
//	                                          net/rpc over pipes, which answers as "rpcserve"
//
// Times are nanoseconds, as JSON on stderr.
package main

import (
	"encoding/binary"
	"encoding/json"
	"io"
	"log"
	"os"
	"plugin"
	"strconv"
	"time"
)

func main() {
	mode, path, name := os.Args[1], os.Args[2], ""
	if len(os.Args) > 3 {
		name = os.Args[3]
	}
	times := map[string]int64{}
	if mode == "rpc" {
		count, err := strconv.Atoi(os.Args[4])
		if err != nil {
			log.Fatal(err)
		}
		times["calls"] = int64(callRemotely(path, name, count))
		write(times)
		return
	}
	start := time.Now()
	p, err := plugin.Open(path)
	if err != nil {
		log.Fatal(err)
	}
	times["open"] = int64(time.Since(start))
	if name == "" {
		write(times)
		return
	}
	start = time.Now()
	symbol, err := p.Lookup(name)
	if err != nil {
		log.Fatal(err)
	}
	times["lookup"] = int64(time.Since(start))
	switch function := symbol.(type) {
	case func():
		start = time.Now()
		function()
		times["first call"] = int64(time.Since(start))
	case func(int) int:
		size, err := strconv.Atoi(os.Args[4])
		if err != nil {
			log.Fatal(err)
		}
		function(size)
		start = time.Now()
		function(size)
		times["run"] = int64(time.Since(start))
	case func(int, int) int:
		if mode == "serve" {
			serve(function)
		} else if mode == "rpcserve" {
			serveCalls(function)
		} else {
			count, err := strconv.Atoi(os.Args[4])
			if err != nil {
				log.Fatal(err)
			}
			start = time.Now()
			for i := 0; i < count; i++ {
				function(i, 2)
			}
			times["calls"] = int64(time.Since(start))
		}
	default:
		log.Fatalf("%s is %T", name, symbol)
	}
	write(times)
}

func write(times map[string]int64) {
	if err := json.NewEncoder(os.Stderr).Encode(times); err != nil {
		log.Fatal(err)
	}
}

func serve(function func(int, int) int) {
	request, answer := make([]byte, 16), make([]byte, 8)
	for {
		if _, err := io.ReadFull(os.Stdin, request); err != nil {
			return
		}
		a, b := binary.LittleEndian.Uint64(request), binary.LittleEndian.Uint64(request[8:])
		binary.LittleEndian.PutUint64(answer, uint64(function(int(a), int(b))))
		if _, err := os.Stdout.Write(answer); err != nil {
			return
		}
	}
}
