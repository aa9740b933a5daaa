// Command command is what goward runs beside a server: a probe, a migration,
// a clean-up, or a server that ends by itself. Its first argument says which.
package main

import (
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"strconv"
	"syscall"
	"time"
)

func main() {
	args := os.Args[1:]
	switch args[0] {
	case "wait": // until it is told to stop
		term := make(chan os.Signal, 1)
		signal.Notify(term, syscall.SIGTERM)
		fmt.Println("serving as uid", os.Getuid(), "pid", os.Getpid())
		<-term
	case "crash":
		fmt.Println("crashing")
		os.Exit(number(args[1]))
	case "say": // and succeed
		fmt.Println(args[1], "as uid", os.Getuid())
	case "fail":
		fmt.Println("the table is locked, says uid", os.Getuid())
		os.Exit(number(args[1]))
	case "missing": // succeeds as long as a file is not there
		if _, err := os.Stat(args[1]); err == nil {
			fmt.Println("it is ill")
			os.Exit(1)
		}
	case "hang":
		signal.Ignore(syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP, syscall.SIGQUIT)
		fmt.Println("hanging")
		time.Sleep(time.Hour)
	case "tree": // hangs, with children and grandchildren that hang
		if depth := number(args[1]); depth > 0 {
			for range 2 {
				spawn("tree", strconv.Itoa(depth-1))
			}
		}
		signal.Ignore(syscall.SIGTERM)
		time.Sleep(time.Hour)
	case "flood": // writes without an end
		line := make([]byte, 64*1024)
		for i := range line {
			line[i] = 'x'
		}
		for {
			os.Stdout.Write(line)
		}
	case "orphans": // fails, and leaves behind some that hang and some that end
		for range 3 {
			spawn("hang")
			spawn("say", "an orphan")
		}
		os.Exit(1)
	}
}

func spawn(args ...string) {
	child := exec.Command("/proc/self/exe", args...)
	child.Stdout, child.Stderr = os.Stdout, os.Stderr
	if err := child.Start(); err != nil {
		fmt.Println(err)
	}
}

func number(text string) int {
	n, err := strconv.Atoi(text)
	if err != nil {
		panic(err)
	}
	return n
}
