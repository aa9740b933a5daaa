// Command tls serves HTTP over TLS in all the ways that a probe meets. It
// writes its CAs and the certificates of a client into a directory, and prints
// the port of each server by its name.
//
//	tls DIRECTORY
package main

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/binary"
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"time"
)

var directory string

func main() {
	directory = os.Args[1]
	ca := authority("ca", key("p256"))
	rsaCA := authority("rsa-ca", key("rsa"))
	between := issue(template("between", true), key("p256"), ca)

	client := issue(template("client", false), key("p256"), ca)
	client.save("client")
	stranger := authority("stranger", key("p256"))
	issue(template("client", false), key("p256"), stranger).save("stranger-client")
	issue(template("client", false), key("rsa"), ca).save("rsa-client")

	for _, kind := range []string{"p256", "rsa", "rsa-pss", "ed25519", "p384", "p521"} {
		of := template("localhost", false)
		if kind == "rsa-pss" {
			of.SignatureAlgorithm = x509.SHA384WithRSAPSS
			serve(kind, config(issue(of, key("rsa"), rsaCA)))
			continue
		}
		serve(kind, config(issue(of, key(kind), ca)))
	}
	// A CA on another curve than its server's key, and one that is Ed25519.
	for _, kind := range []string{"p384", "ed25519"} {
		by := authority(kind+"-ca", key(kind))
		serve("by-"+kind, config(issue(template("localhost", false), key("p256"), by)))
	}
	serve("rsa-by-rsa", config(issue(template("localhost", false), key("rsa"), rsaCA)))
	good := issue(template("localhost", false), key("p256"), ca)
	good.save("server")
	serve("chain", config(issue(template("localhost", false), key("rsa"), between)))
	expired := template("localhost", false)
	expired.NotBefore, expired.NotAfter = time.Now().Add(-2*time.Hour), time.Now().Add(-time.Hour)
	serve("expired", config(issue(expired, key("p256"), ca)))
	other := template("example.com", false)
	other.IPAddresses = nil
	serve("other-name", config(issue(other, key("p256"), ca)))
	// Anybody who has a certificate could make others, if nobody looked whether it is that of a CA.
	serve("by-a-server", config(issue(template("localhost", false), key("p256"), good)))
	// What openssl req -x509 makes: one for a server, which signs itself and says that it is a CA's.
	for name, of := range map[string]*x509.Certificate{"self-signed": template("localhost", false), "self-signed-expired": expired, "self-signed-other": other} {
		self := *of
		self.IsCA, self.ExtKeyUsage = true, nil
		private := key("rsa")
		der := must(x509.CreateCertificate(rand.Reader, &self, &self, private.Public(), private))
		write(name+".pem", "CERTIFICATE", der)
		serve(name, config(&certificate{must(x509.ParseCertificate(der)), private, [][]byte{der}}))
	}
	flawedAuthorities(ca)
	// Keys of every length, and those that are too short for goward.
	for _, bits := range []int{1024, 2049, 2056, 2060, 3000} {
		name := fmt.Sprint("rsa-", bits)
		private := must(rsa.GenerateKey(rand.Reader, bits))
		serve(name, config(issue(template("localhost", false), private, ca)))
		serve("by-"+name, config(issue(template("localhost", false), key("p256"), authority(name+"-ca", private))))
	}
	old := config(good)
	old.MaxVersion = tls.VersionTLS12
	serve("tls-1.2", old)
	curve := config(good)
	curve.CurvePreferences = []tls.CurveID{tls.X25519}
	serve("x25519", curve)
	other384 := config(good)
	other384.CurvePreferences = []tls.CurveID{tls.CurveP384}
	serve("p384-alone", other384)
	pool := x509.NewCertPool()
	pool.AddCert(ca.parsed)
	mutual := config(good)
	mutual.ClientAuth, mutual.ClientCAs = tls.RequireAndVerifyClientCert, pool
	serve("mutual", mutual)
	optional := config(good)
	optional.ClientAuth = tls.RequestClientCert
	serve("optional", optional)
	without := config(good)
	without.NextProtos = []string{"http/1.1"}
	serve("http/1.1", without)
	plain := listen()
	go http.Serve(plain, http.HandlerFunc(answer))
	h2c := &http.Server{Handler: http.HandlerFunc(answer), Protocols: new(http.Protocols)}
	h2c.Protocols.SetUnencryptedHTTP2(true)
	clear := listen()
	go h2c.Serve(clear)
	fmt.Println("plain", plain.Addr().(*net.TCPAddr).Port)
	fmt.Println("h2c", clear.Addr().(*net.TCPAddr).Port)
	fmt.Println("serving")
	io.Copy(io.Discard, os.Stdin)
}

// flawedAuthorities serves good certificates by CAs that are none, or no longer, each beside one that is.
func flawedAuthorities(ca *certificate) {
	over := func(t *x509.Certificate) {
		t.NotBefore, t.NotAfter = time.Now().Add(-2*time.Hour), time.Now().Add(-time.Hour)
	}
	early := func(t *x509.Certificate) { t.NotBefore = time.Now().Add(time.Hour) }
	only := func(usage x509.ExtKeyUsage) func(*x509.Certificate) {
		return func(t *x509.Certificate) { t.ExtKeyUsage = []x509.ExtKeyUsage{usage} }
	}
	for name, change := range map[string]func(*x509.Certificate){
		"expired-ca": over,
		"early-ca":   early,
		"client-ca":  only(x509.ExtKeyUsageClientAuth),
		"server-ca":  only(x509.ExtKeyUsageServerAuth),
		"mute-ca":    func(t *x509.Certificate) { t.KeyUsage = x509.KeyUsageDigitalSignature },
		"silent-ca":  func(t *x509.Certificate) { t.KeyUsage = 0 },
		"no-ca":      func(t *x509.Certificate) { t.BasicConstraintsValid, t.IsCA = false, false },
	} {
		t := template(name, true)
		change(t)
		private := key("p256")
		der := must(x509.CreateCertificate(rand.Reader, t, t, private.Public(), private))
		write(name+".pem", "CERTIFICATE", der)
		by := &certificate{parsed: must(x509.ParseCertificate(der)), key: private}
		serve("by-"+name, config(issue(template("localhost", false), key("p256"), by)))
	}
	t := template("between-expired", true)
	over(t)
	between := issue(t, key("p256"), ca)
	between.save("between-expired")
	serve("by-between-expired", config(issue(template("localhost", false), key("p256"), between)))
	for name, change := range map[string]func(*x509.Certificate){
		"self-signed-plain":  func(*x509.Certificate) {},
		"self-signed-client": func(t *x509.Certificate) { t.IsCA = true; only(x509.ExtKeyUsageClientAuth)(t) },
	} {
		t := template("localhost", false)
		change(t)
		private := key("p256")
		der := must(x509.CreateCertificate(rand.Reader, t, t, private.Public(), private))
		write(name+".pem", "CERTIFICATE", der)
		serve(name, config(&certificate{must(x509.ParseCertificate(der)), private, [][]byte{der}}))
	}
}

type certificate struct {
	parsed *x509.Certificate
	key    crypto.Signer
	// As it is sent: its own, and those between it and the CA.
	chain [][]byte
}

func must[T any](value T, err error) T {
	if err != nil {
		log.Fatal(err)
	}
	return value
}

func key(kind string) crypto.Signer {
	switch kind {
	case "rsa":
		return must(rsa.GenerateKey(rand.Reader, 2048))
	case "ed25519":
		_, private, err := ed25519.GenerateKey(rand.Reader)
		return must(private, err)
	case "p521":
		return must(ecdsa.GenerateKey(elliptic.P521(), rand.Reader))
	case "p384":
		return must(ecdsa.GenerateKey(elliptic.P384(), rand.Reader))
	default:
		return must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
	}
}

func template(name string, isCA bool) *x509.Certificate {
	t := &x509.Certificate{
		SerialNumber:          must(rand.Int(rand.Reader, big.NewInt(1<<62))),
		Subject:               pkix.Name{CommonName: name},
		NotBefore:             time.Now().Add(-time.Hour),
		NotAfter:              time.Now().Add(24 * time.Hour),
		KeyUsage:              x509.KeyUsageDigitalSignature,
		BasicConstraintsValid: true,
		IsCA:                  isCA,
	}
	if isCA {
		t.KeyUsage |= x509.KeyUsageCertSign
	} else {
		t.DNSNames = []string{name}
		t.IPAddresses = []net.IP{net.IPv4(127, 0, 0, 1)}
		t.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}
	}
	return t
}

func authority(name string, of crypto.Signer) *certificate {
	t := template(name, true)
	der := must(x509.CreateCertificate(rand.Reader, t, t, of.Public(), of))
	write(name+".pem", "CERTIFICATE", der)
	return &certificate{parsed: must(x509.ParseCertificate(der)), key: of}
}

func issue(t *x509.Certificate, of crypto.Signer, by *certificate) *certificate {
	der := must(x509.CreateCertificate(rand.Reader, t, by.parsed, of.Public(), by.key))
	return &certificate{must(x509.ParseCertificate(der)), of, append([][]byte{der}, by.chain...)}
}

func (c *certificate) save(name string) {
	write(name+".pem", "CERTIFICATE", c.chain[0])
	write(name+".key", "PRIVATE KEY", must(x509.MarshalPKCS8PrivateKey(c.key)))
	if of, ok := c.key.(*ecdsa.PrivateKey); ok {
		write(name+".sec1", "EC PRIVATE KEY", must(x509.MarshalECPrivateKey(of)))
	}
}

func write(name, label string, der []byte) {
	block := pem.EncodeToMemory(&pem.Block{Type: label, Bytes: der})
	if err := os.WriteFile(filepath.Join(directory, name), block, 0o644); err != nil {
		log.Fatal(err)
	}
}

func config(c *certificate) *tls.Config {
	return &tls.Config{
		Certificates: []tls.Certificate{{Certificate: c.chain, PrivateKey: c.key}},
		NextProtos:   []string{"h2", "http/1.1"},
	}
}

func listen() net.Listener {
	return must(net.Listen("tcp", "127.0.0.1:0"))
}

func serve(name string, config *tls.Config) {
	listener := listen()
	server := &http.Server{Handler: http.HandlerFunc(answer), TLSConfig: config, Protocols: new(http.Protocols)}
	server.Protocols.SetHTTP1(true)
	server.Protocols.SetHTTP2(config.NextProtos[0] == "h2")
	server.ErrorLog = log.New(os.Stderr, name+": ", 0)
	go server.ServeTLS(listener, "", "")
	fmt.Println(name, listener.Addr().(*net.TCPAddr).Port)
}

func answer(w http.ResponseWriter, r *http.Request) {
	switch r.URL.Path {
	case "/healthz":
		fmt.Fprintln(w, "ok")
	case "/large":
		w.Write(make([]byte, 100_000))
		fmt.Fprintln(w, "the end")
	case "/moved":
		http.Redirect(w, r, "/healthz", http.StatusFound)
	case "/moved/far":
		http.Redirect(w, r, "https://"+r.Host+"/healthz", http.StatusFound)
	case "/grpc.health.v1.Health/Check":
		w.Header().Set("Content-Type", "application/grpc")
		w.Header().Set("Trailer", "Grpc-Status")
		io.Copy(io.Discard, r.Body)
		w.Write(append(binary.BigEndian.AppendUint32([]byte{0}, 2), 0x08, 1))
		w.Header().Set("Grpc-Status", "0")
	case "/who":
		if len(r.TLS.PeerCertificates) == 0 {
			fmt.Fprintln(w, "nobody")
			return
		}
		fmt.Fprintln(w, r.TLS.PeerCertificates[0].Subject.CommonName)
	default:
		http.Error(w, "the database is away", http.StatusServiceUnavailable)
	}
}
