// Command notify tells its init how it is, as sd_notify(3) does, when a signal
// asks it to:
//
//	USR1  READY=1, and WATCHDOG=1 from then on if it is wanted
//	USR2  RELOADING=1
//	HUP   no more WATCHDOG=1: it hangs, so to say
//	WINCH a child of its own says READY=1
package main

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"strconv"
	"syscall"
	"time"
)

// say sends a state to whoever started this program. Go maps the @ of an
// abstract socket by itself.
func say(state string) {
	socket, err := net.Dial("unixgram", os.Getenv("NOTIFY_SOCKET"))
	if err == nil {
		defer socket.Close()
		_, err = socket.Write([]byte(state))
	}
	if err != nil {
		fmt.Println("notify:", err)
	}
}

func main() {
	if len(os.Args) > 1 {
		say("READY=1\nSTATUS=the child says so")
		return
	}
	signals := make(chan os.Signal, 8)
	signal.Notify(signals, syscall.SIGUSR1, syscall.SIGUSR2, syscall.SIGHUP, syscall.SIGWINCH, syscall.SIGTERM)
	var alive <-chan time.Time
	interval, _ := strconv.Atoi(os.Getenv("WATCHDOG_USEC"))
	fmt.Println("started", interval)
	for {
		select {
		case <-alive:
			say("WATCHDOG=1")
		case got := <-signals:
			switch got {
			case syscall.SIGUSR1:
				say("STATUS=7 orders open\nREADY=1")
				if interval > 0 {
					alive = time.Tick(time.Duration(interval) * time.Microsecond / 4)
				}
			case syscall.SIGUSR2:
				say("RELOADING=1\nSTATUS=reading the configuration")
			case syscall.SIGHUP:
				alive = nil
			case syscall.SIGWINCH:
				child := exec.Command("/proc/self/exe", "child")
				child.Stdout = os.Stdout
				child.Run()
			case syscall.SIGTERM:
				say("STOPPING=1")
				return
			}
			fmt.Println("done:", got)
		}
	}
}
