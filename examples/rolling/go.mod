module example.com/goward-rolling

go 1.25
