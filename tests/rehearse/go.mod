module example.com/goward-rehearse

go 1.25
