// Asks DocuQuery a question, twice: for the whole answer, and for one as it is written.
//
//	go run . "When is the office open?"    with DOCUQUERY_ADDRESS set (and DOCUQUERY_API_KEY for keys)
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	gatewayv1 "example.com/ask/gen/docuquery/gateway/v1"
)

const (
	serviceConfig = "../service-config.json"
	tries         = 3
)

// details gives the reason (ErrorInfo) and how long to wait (RetryInfo; 0: do not try again by yourself).
func details(err error) (reason string, wait time.Duration) {
	found := status.Convert(err)
	reason = found.Code().String()
	for _, detail := range found.Details() {
		switch detail := detail.(type) {
		case *errdetails.ErrorInfo:
			reason = detail.Reason
		case *errdetails.RetryInfo:
			wait = detail.RetryDelay.AsDuration()
		}
	}
	return reason, wait
}

// patiently makes a call until it succeeds; waits and tries again when the server says when.
func patiently(ctx context.Context, call func() error) error {
	for left := tries - 1; ; left-- {
		err := call()
		if err == nil {
			return nil
		}
		reason, wait := details(err)
		deadline, _ := ctx.Deadline()
		if left == 0 || wait == 0 || time.Now().Add(wait).After(deadline) {
			return err
		}
		fmt.Fprintf(os.Stderr, "%s: again in %.1f s\n", reason, wait.Seconds())
		time.Sleep(wait)
	}
}

// readStream gives the answer of StreamQuery. An answer without `completed` is incomplete, whatever its status.
func readStream(ctx context.Context, client gatewayv1.DocuQueryServiceClient, question *gatewayv1.QueryRequest) (string, error) {
	stream, err := client.StreamQuery(ctx, &gatewayv1.StreamQueryRequest{Query: question})
	if err != nil {
		return "", err
	}
	text, completed := "", false
	for {
		event, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return "", err
		}
		text += event.GetTextDelta() // show it as it comes
		if result := event.GetCompleted(); result != nil {
			text, completed = result.Answer, true
		}
	}
	if !completed {
		return "", errors.New("the stream ended before the answer did")
	}
	return text, nil
}

func run(question string) error {
	config, err := os.ReadFile(serviceConfig)
	if err != nil {
		return err
	}
	connection, err := grpc.NewClient(os.Getenv("DOCUQUERY_ADDRESS"),
		grpc.WithTransportCredentials(insecure.NewCredentials()), // with TLS: credentials.NewTLS(&tls.Config{})
		grpc.WithDefaultServiceConfig(string(config)),            // gRPC repeats reads by itself
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(16<<20)))
	if err != nil {
		return err
	}
	defer connection.Close()
	client := gatewayv1.NewDocuQueryServiceClient(connection)
	request := &gatewayv1.QueryRequest{Question: question}
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	ctx = metadata.AppendToOutgoingContext(ctx, "authorization", "Bearer "+os.Getenv("DOCUQUERY_API_KEY"))

	var response *gatewayv1.QueryResponse
	if err := patiently(ctx, func() (err error) { response, err = client.Query(ctx, request); return }); err != nil {
		return err
	}
	fmt.Println("answer:", response.Result.Answer)
	for _, citation := range response.Result.Citations {
		fmt.Printf("cites %s: %s\n", citation.Filename, citation.Quote)
	}
	var streamed string
	if err := patiently(ctx, func() (err error) { streamed, err = readStream(ctx, client, request); return }); err != nil {
		return err
	}
	fmt.Println("streamed:", streamed)
	return nil
}

func main() {
	if err := run(os.Args[1]); err != nil {
		reason, _ := details(err)
		fmt.Fprintf(os.Stderr, "%s: %s\n", reason, status.Convert(err).Message())
		os.Exit(1)
	}
}
