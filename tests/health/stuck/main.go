// Command stuck deadlocks when it is asked for /transfer: a mutex is held for
// ever, and the handler of /healthz needs it.
package main

import (
	"fmt"
	"net/http"
	"sync"
)

type orders struct {
	mu   sync.Mutex
	open int
}

func (o *orders) healthz(w http.ResponseWriter, _ *http.Request) {
	o.mu.Lock()
	defer o.mu.Unlock()
	fmt.Fprintln(w, "open:", o.open)
}

// transfer locks twice: the fault.
func (o *orders) transfer(http.ResponseWriter, *http.Request) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.mu.Lock()
	o.open++
}

func main() {
	var all orders
	http.HandleFunc("/healthz", all.healthz)
	http.HandleFunc("/transfer", all.transfer)
	fmt.Println("serving")
	fmt.Println(http.ListenAndServe("127.0.0.1:8080", nil))
}
