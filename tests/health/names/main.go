// Command names is a name server on 127.0.0.1:53, over UDP and TCP, and the
// server that its names lead to, on port 8080.
//
//	db.test, db.internal.test  127.0.0.1
//	six.test                   ::1
//	many.test                  more addresses than fit into a datagram, the right one last
//	slow.test                  never answered
//	broken.test                an answer that is none
package main

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
)

const (
	typeA    = 1
	typeAAAA = 28
)

func main() {
	datagrams, err := net.ListenPacket("udp", "127.0.0.1:53")
	check(err)
	listener, err := net.Listen("tcp", "127.0.0.1:53")
	check(err)
	for _, address := range []string{"127.0.0.1:8080", "[::1]:8080"} {
		if server, err := net.Listen("tcp", address); err == nil {
			go http.Serve(server, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprintln(w, r.Host) }))
		}
	}
	go overTCP(listener)
	fmt.Println("serving")
	buffer := make([]byte, 4096)
	for {
		n, from, err := datagrams.ReadFrom(buffer)
		check(err)
		if reply := answer(buffer[:n], 512); reply != nil {
			datagrams.WriteTo(reply, from)
		}
	}
}

func check(err error) {
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
}

func overTCP(listener net.Listener) {
	for {
		connection, err := listener.Accept()
		check(err)
		go func() {
			defer connection.Close()
			var length uint16
			if binary.Read(connection, binary.BigEndian, &length) != nil {
				return
			}
			query := make([]byte, length)
			if _, err := io.ReadFull(connection, query); err != nil {
				return
			}
			reply := answer(query, 65535)
			connection.Write(binary.BigEndian.AppendUint16(nil, uint16(len(reply))))
			connection.Write(reply)
		}()
	}
}

// answer reads a query of one question, and answers it in so many bytes.
func answer(query []byte, most int) []byte {
	if len(query) < 12 {
		return nil
	}
	var labels []string
	at := 12
	for at < len(query) && query[at] != 0 {
		end := at + 1 + int(query[at])
		if end > len(query) {
			return nil
		}
		labels = append(labels, string(query[at+1:end]))
		at = end
	}
	if at+5 > len(query) {
		return nil
	}
	question := query[12 : at+5]
	kind := binary.BigEndian.Uint16(query[at+1:])
	name := strings.ToLower(strings.Join(labels, "."))
	var ips []net.IP
	known := true
	switch name {
	case "db.test", "db.internal.test":
		ips = []net.IP{net.IPv4(127, 0, 0, 1)}
	case "six.test":
		ips = []net.IP{net.IPv6loopback}
	case "many.test":
		// Nobody listens at the others.
		for i := range 40 {
			ips = append(ips, net.IPv4(127, 0, 1, byte(i)))
		}
		ips = append(ips, net.IPv4(127, 0, 0, 1))
	case "slow.test":
		return nil
	case "broken.test":
		return bytes.Repeat([]byte{0xff}, 64)
	default:
		known = false
	}
	var records []byte
	count := 0
	for _, ip := range ips {
		address := ip.To4()
		if kind == typeAAAA && address == nil {
			address = ip
		} else if kind != typeA || address == nil {
			continue
		}
		// The name is that of the question; class IN, a minute.
		records = append(records, 0xc0, 12, 0, byte(kind), 0, 1, 0, 0, 0, 60, 0, byte(len(address)))
		records = append(records, address...)
		count++
	}
	flags := uint16(0x8180)
	if !known {
		flags |= 3
	}
	if 12+len(question)+len(records) > most {
		flags |= 0x200
		records, count = nil, 0
	}
	reply := append([]byte(nil), query[:2]...)
	for _, number := range []uint16{flags, 1, uint16(count), 0, 0} {
		reply = binary.BigEndian.AppendUint16(reply, number)
	}
	return append(append(reply, question...), records...)
}
