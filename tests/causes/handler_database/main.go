// Command handler_database: a handler forgot to close its rows, and the pool has one connection only.
package main

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os/signal"
	"syscall"

	"example.com/causes/request"
)

type fake struct{}
type rows struct{}

func (fake) Open(string) (driver.Conn, error)    { return fake{}, nil }
func (fake) Prepare(string) (driver.Stmt, error) { return nil, io.EOF }
func (fake) Begin() (driver.Tx, error)           { return nil, io.EOF }
func (fake) Close() error                        { return nil }
func (rows) Columns() []string                   { return []string{"id"} }
func (rows) Close() error                        { return nil }
func (rows) Next([]driver.Value) error           { return nil }
func (fake) QueryContext(context.Context, string, []driver.NamedValue) (driver.Rows, error) {
	return rows{}, nil
}

type shop struct{ db *sql.DB }

func (s *shop) orders(w http.ResponseWriter, r *http.Request) {
	for page := range 2 {
		log.Println([]string{"first page", "ready"}[page])
		found, err := s.db.Query("select id from orders") // goward: Handlers
		if err != nil {
			return
		}
		fmt.Fprintln(w, found.Next()) // The fault: no found.Close().
	}
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	sql.Register("fake", fake{})
	db, err := sql.Open("fake", "")
	if err != nil {
		log.Fatal(err)
	}
	db.SetMaxOpenConns(1)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	http.HandleFunc("/orders", (&shop{db}).orders)
	server := &http.Server{}
	go server.Serve(listener)
	request.Get(listener.Addr(), "/orders")

	<-ctx.Done()
	server.Shutdown(context.Background())
	db.Close()
}
