module example.com/goward-health

go 1.25
