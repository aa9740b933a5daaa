module example.com/goward-examples

// From 1.25 on the runtime takes GOMAXPROCS from the container's CPU limit; an older line here switches that off.
go 1.25
