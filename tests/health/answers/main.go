// Command answers is a server that a probe must not believe: the path that it
// is asked for says what it answers.
package main

import (
	"bufio"
	"fmt"
	"net"
	"os"
	"strings"
	"time"
)

func main() {
	listener, err := net.Listen("tcp", "127.0.0.1:8080")
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	fmt.Println("serving")
	for {
		connection, err := listener.Accept()
		if err != nil {
			continue
		}
		go answer(connection)
	}
}

func answer(to net.Conn) {
	defer to.Close()
	// All of the request is read, or closing would reset the connection.
	in := bufio.NewReader(to)
	words, _ := in.ReadString('\n')
	for line := words; strings.TrimSpace(line) != ""; {
		line, _ = in.ReadString('\n')
	}
	request := strings.Fields(words)
	if len(request) < 2 {
		return
	}
	switch strings.TrimPrefix(request[1], "/") {
	case "garbage":
		fmt.Fprint(to, "\x00\x01HTTP/1.1 200 OK\r\n\r\nok")
	case "half":
		fmt.Fprint(to, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf")
	case "head":
		fmt.Fprint(to, "HTTP/1.1 200 OK\r\nX-Wait: ")
	case "closed":
	case "silent":
		time.Sleep(time.Hour)
	case "redirect":
		fmt.Fprint(to, "HTTP/1.1 302 Found\r\nLocation: /login\r\nContent-Length: 0\r\n\r\n")
	case "login":
		fmt.Fprint(to, "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 9\r\n\r\nno logins")
	case "away":
		fmt.Fprint(to, "HTTP/1.1 302 Found\r\nLocation: https://sso.example.com/\r\nContent-Length: 0\r\n\r\n")
	case "drip": // without an end, a little at a time
		fmt.Fprint(to, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
		for err := error(nil); err == nil; time.Sleep(20 * time.Millisecond) {
			_, err = fmt.Fprint(to, "1\r\nx\r\n")
		}
	case "endless": // as fast as it can
		fmt.Fprint(to, "HTTP/1.1 200 OK\r\n\r\n")
		text := strings.Repeat("still not ready\n", 4096)
		for err := error(nil); err == nil; {
			_, err = fmt.Fprint(to, text)
		}
	}
}
