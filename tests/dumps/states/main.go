// What wrote the dumps beside expected.json: `go run . MODE 2>MODE.stderr`, and SIGQUIT where the mode waits.
package main

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"runtime/pprof"
	"sync"
	"syscall"
	"time"
)

type Stack[T any] struct{ items []T }

func (s *Stack[T]) Wait(c chan T) T { return <-c }

type failure struct{ name string }

func (f *failure) Error() string { return "two\nlines of " + f.name }

func deep(n int, c chan int) int {
	if n == 0 {
		return <-c
	}
	return deep(n-1, c) + 1
}

func endless(n int) int { return endless(n+1) + 1 }

func spin() {
	for {
	}
}

func leak() {
	c := make(chan int)
	go func() { c <- 1 }()
}

func quit() {
	time.Sleep(50 * time.Millisecond)
	syscall.Kill(os.Getpid(), syscall.SIGQUIT)
	time.Sleep(10 * time.Second)
}

func main() {
	c := make(chan int)
	switch os.Args[1] {
	case "deadlock":
		var mu sync.Mutex
		mu.Lock()
		go func() { mu.Lock() }()
		go deep(3, c)
		var wg sync.WaitGroup
		wg.Add(1)
		wg.Wait()
	case "overflow":
		go deep(2, c)
		fmt.Println(endless(0))
	case "maps":
		m := map[int]int{}
		for i := 0; i < 4; i++ {
			go func() {
				for {
					m[i]++
				}
			}()
		}
		time.Sleep(5 * time.Second)
	case "nested":
		defer func() {
			panic(fmt.Errorf("while cleaning up: %w", &failure{"a"}))
		}()
		var p *failure
		_ = p.name
	case "repanic":
		defer func() { panic(recover()) }()
		panic(&failure{"b"})
	case "elided":
		go deep(450, c)
		s := Stack[int]{}
		go s.Wait(c)
		go (&Stack[string]{}).Wait(nil)
		quit()
	case "crash":
		runtime.GOMAXPROCS(4)
		go spin()
		go spin()
		go func() {
			runtime.LockOSThread()
			<-c
		}()
		quit()
	case "leaked":
		for i := 0; i < 3; i++ {
			leak()
		}
		time.Sleep(10 * time.Millisecond)
		runtime.GC()
		if p := pprof.Lookup("goroutineleak"); p != nil {
			p.WriteTo(os.Stdout, 1)
		}
		quit()
	case "segv":
		syscall.Kill(os.Getpid(), syscall.SIGSEGV)
		time.Sleep(time.Second)
	case "printstack":
		for i := 0; i < 2; i++ {
			func() {
				defer func() {
					fmt.Fprintln(os.Stderr, "2026/11/23 05:55:22 http: panic serving 127.0.0.1:4242:", recover())
					debug.PrintStack()
					fmt.Fprintln(os.Stderr, "2026/11/23 05:55:22 goes on")
				}()
				panic(errors.New("boom"))
			}()
		}
	}
}
