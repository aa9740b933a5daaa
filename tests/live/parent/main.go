// A program in Go that starts another one: it runs what its arguments say, hands signals on, and waits for its end. HOW=wait:
// in Wait. HOW=pipe: it reads what the other one writes, and calls Wait after that, as syncthing does. HOW=beside: it starts it, and
// waits for something else.
package main

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"sync"
	"syscall"
)

func copyLines(from io.Reader, done *sync.WaitGroup) {
	defer done.Done()
	lines := bufio.NewReader(from)
	for {
		line, err := lines.ReadString('\n')
		if err != nil {
			return
		}
		fmt.Print(line)
	}
}

func relay(child *os.Process) {
	signals := make(chan os.Signal, 10)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGINT)
	for s := range signals {
		_ = child.Signal(s)
	}
}

func check(err error) {
	if err != nil {
		panic(err)
	}
}

func main() {
	child := exec.Command(os.Args[1], os.Args[2:]...)
	child.Stdout, child.Stderr = os.Stdout, os.Stderr
	switch os.Getenv("HOW") {
	case "pipe":
		child.Stdout, child.Stderr = nil, nil
		out, err := child.StdoutPipe()
		check(err)
		errors, err := child.StderrPipe()
		check(err)
		check(child.Start())
		go relay(child.Process)
		var copies sync.WaitGroup
		copies.Add(2)
		go copyLines(out, &copies)
		go copyLines(errors, &copies)
		exit := make(chan error)
		go func() {
			copies.Wait()
			exit <- child.Wait()
		}()
		<-exit
	case "beside":
		check(child.Start())
		go relay(child.Process)
		var never sync.Mutex
		never.Lock()
		never.Lock()
	default:
		check(child.Start())
		go relay(child.Process)
		_ = child.Wait()
	}
}
