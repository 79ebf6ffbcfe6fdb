// Command reference is a plugin that uses enough of the Go runtime for its DWARF to hold the
// types that emuplugin has layouts of. The linker writes only types that reachable code uses,
// so what stands here is chosen for what it reaches, and is never run.
package main

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"plugin"
	"reflect"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"runtime/pprof"
	"runtime/trace"
	"strings"
	"sync"
	"syscall"
	"time"
)

// Values reaches maps, interfaces, closures, type switches and reflection.
func Values(keys map[string]any, rows map[int64][]string, cb func(error) error) string {
	for key, value := range keys {
		switch v := value.(type) {
		case fmt.Stringer:
			rows[int64(len(key))] = append(rows[int64(len(key))], v.String())
		case error:
			panic(cb(v))
		}
	}
	delete(keys, "x")
	v := reflect.MakeMap(reflect.MapOf(reflect.TypeOf(""), reflect.TypeOf(cb)))
	v.SetMapIndex(reflect.ValueOf("f"), reflect.MakeFunc(reflect.TypeOf(cb), func(args []reflect.Value) []reflect.Value {
		return args
	}))
	for iter := v.MapRange(); iter.Next(); {
		iter.Value().Call(nil)
	}
	if r, ok := reflect.New(reflect.TypeOf(rows)).Interface().(fmt.Stringer); ok {
		return r.String()
	}
	reflect.Select([]reflect.SelectCase{{Dir: reflect.SelectDefault}})
	reflect.ChanOf(reflect.BothDir, reflect.FuncOf(nil, nil, false))
	reflect.StructOf([]reflect.StructField{{Name: "A", Type: reflect.ArrayOf(3, reflect.TypeOf(0))}})
	return fmt.Sprintf("%#v %v", keys, rows)
}

// Goroutines reaches the scheduler, timers, channels, locks and panics.
func Goroutines(ctx context.Context, in <-chan int) (out chan error) {
	var mu sync.RWMutex
	var pool sync.Pool
	var once sync.Once
	var seen sync.Map
	cond := sync.NewCond(&mu)
	out = make(chan error)
	ticker := time.NewTicker(time.Second)
	time.AfterFunc(time.Minute, cond.Broadcast)
	go func() {
		defer func() {
			if r := recover(); r != nil {
				out <- fmt.Errorf("recovered: %v", r)
			}
		}()
		for {
			select {
			case i := <-in:
				once.Do(func() { seen.Store(i, pool.Get()) })
				mu.Lock()
				cond.Wait()
			case <-ticker.C:
				runtime.Gosched()
			case <-ctx.Done():
				runtime.Goexit()
			}
		}
	}()
	runtime.LockOSThread()
	return out
}

// Memory reaches the collector, finalizers, pinning and every reader of statistics.
func Memory() []metrics.Sample {
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	var pinner runtime.Pinner
	block := new([64]*int)
	pinner.Pin(block)
	runtime.SetFinalizer(block, func(*[64]*int) { runtime.GC() })
	pinner.Unpin()
	debug.SetGCPercent(debug.SetMaxThreads(50))
	debug.SetMemoryLimit(int64(debug.SetMaxStack(1 << 20)))
	debug.FreeOSMemory()
	samples := make([]metrics.Sample, len(metrics.All()))
	metrics.Read(samples)
	return samples
}

// Profiles reaches the profiler, the tracer and tracebacks.
func Profiles(out *os.File) error {
	runtime.SetBlockProfileRate(1)
	runtime.SetMutexProfileFraction(1)
	if err := pprof.StartCPUProfile(out); err != nil {
		return err
	}
	pprof.StopCPUProfile()
	if err := trace.Start(out); err != nil {
		return err
	}
	trace.Stop()
	pcs := make([]uintptr, 8)
	frames := runtime.CallersFrames(pcs[:runtime.Callers(0, pcs)])
	frame, _ := frames.Next()
	debug.PrintStack()
	return pprof.Lookup(strings.ToLower(frame.Function)).WriteTo(out, 1)
}

// System reaches signals, the network poller, processes, files and the plugin loader.
func System(path string) (net.Conn, error) {
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGPROF, os.Interrupt)
	if _, err := plugin.Open(path); err != nil {
		return nil, err
	}
	if err := exec.Command(path, os.Args...).Run(); err != nil {
		return nil, err
	}
	if info, err := os.Stat(path); err == nil && info.ModTime().After(time.Now()) {
		return nil, os.ErrDeadlineExceeded
	}
	return net.DialTimeout("tcp", os.Getenv("ADDRESS"), time.Second)
}

func main() {}
