// Command grpc_host answers gRPC calls on a Unix socket: grpc_host SOCKET.
//
// Its one method adds two integers of 64 bits. Messages are plain bytes, without protocol buffers,
// so what is measured is gRPC itself.
package main

import (
	"context"
	"encoding/binary"
	"log"
	"net"
	"os"

	"google.golang.org/grpc"
)

type plain struct{}

func (plain) Marshal(v any) ([]byte, error)      { return *v.(*[]byte), nil }
func (plain) Unmarshal(data []byte, v any) error { *v.(*[]byte) = data; return nil }
func (plain) Name() string                       { return "plain" }

func add(_ any, _ context.Context, decode func(any) error, _ grpc.UnaryServerInterceptor) (any, error) {
	var request []byte
	if err := decode(&request); err != nil {
		return nil, err
	}
	answer := make([]byte, 8)
	sum := binary.LittleEndian.Uint64(request) + binary.LittleEndian.Uint64(request[8:])
	binary.LittleEndian.PutUint64(answer, sum)
	return &answer, nil
}

func main() {
	listener, err := net.Listen("unix", os.Args[1])
	if err != nil {
		log.Fatal(err)
	}
	server := grpc.NewServer(grpc.ForceServerCodec(plain{}))
	server.RegisterService(&grpc.ServiceDesc{
		ServiceName: "bench.Calls",
		HandlerType: (*any)(nil),
		Methods:     []grpc.MethodDesc{{MethodName: "Add", Handler: add}},
	}, struct{}{})
	log.Fatal(server.Serve(listener))
}
