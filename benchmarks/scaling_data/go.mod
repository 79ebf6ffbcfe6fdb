module example.com/scaling

go 1.21
