// Command worker listens nowhere. It stops when it is told to, with the code in CODE.
package main

import (
	"context"
	"os"
	"os/signal"
	"strconv"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	<-ctx.Done()
	code, _ := strconv.Atoi(os.Getenv("CODE"))
	os.Exit(code)
}
