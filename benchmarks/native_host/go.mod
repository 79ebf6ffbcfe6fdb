module example.com/native_host

go 1.21
