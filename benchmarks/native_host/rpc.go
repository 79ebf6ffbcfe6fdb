package main

import (
	"io"
	"log"
	"net/rpc"
	"os"
	"os/exec"
	"time"
)

// Pair is what a call sends.
type Pair struct{ A, B int }

// Calls is the service of the process that has the plugin.
type Calls struct{ function func(int, int) int }

// Add calls the function of the plugin.
func (c *Calls) Add(pair Pair, result *int) error {
	*result = c.function(pair.A, pair.B)
	return nil
}

type pipes struct {
	io.Reader
	io.WriteCloser
}

func serveCalls(function func(int, int) int) {
	server := rpc.NewServer()
	if err := server.Register(&Calls{function}); err != nil {
		log.Fatal(err)
	}
	server.ServeConn(pipes{os.Stdin, os.Stdout})
}

func callRemotely(path, name string, count int) time.Duration {
	worker := exec.Command(os.Args[0], "rpcserve", path, name)
	in, err := worker.StdinPipe()
	if err != nil {
		log.Fatal(err)
	}
	out, err := worker.StdoutPipe()
	if err != nil {
		log.Fatal(err)
	}
	if err := worker.Start(); err != nil {
		log.Fatal(err)
	}
	client := rpc.NewClient(pipes{out, in})
	call := func(n int) {
		var sum int
		if err := client.Call("Calls.Add", Pair{n, 2}, &sum); err != nil || sum != n+2 {
			log.Fatal(sum, err)
		}
	}
	call(40)
	start := time.Now()
	for i := 0; i < count; i++ {
		call(i)
	}
	took := time.Since(start)
	client.Close()
	return took
}
