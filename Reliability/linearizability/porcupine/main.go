// Judges histories by Porcupine, a checker of linearizability that others wrote.
//
// Standard input is a JSON array of histories, each an array of operations of the model in
// ../model.py; standard output is a JSON array with a verdict for each: Ok, Illegal or Unknown.
package main

import (
	"encoding/json"
	"log"
	"math"
	"os"
	"strings"
	"time"

	"github.com/anishathalye/porcupine"
)

type operation struct {
	Kind string `json:"kind"`
	Call int64  `json:"call"`
	// Null if it never returned.
	Returned *int64 `json:"returned"`
}

// After it the verdict on a history is Unknown.
const timeLimit = 20 * time.Second

// step tells whether the operation can happen in the state, and which state it leaves.
func step(state, kind string) (bool, string) {
	isRead := strings.HasPrefix(kind, "reads ")
	switch {
	case kind == "reads present":
		return state != "absent", state
	case isRead:
		return state == strings.TrimPrefix(kind, "reads "), state
	case kind == "accept" || kind == "may accept":
		if state == "absent" {
			return true, "undecided"
		}
		return true, state
	case kind == "commit":
		return state == "undecided" || state == "committed", "committed"
	case kind == "abort":
		return state == "undecided" || state == "aborted", "aborted"
	case kind == "may commit" && state == "undecided":
		return true, "committed"
	case kind == "may abort" && state == "undecided":
		return true, "aborted"
	case kind == "may commit" || kind == "may abort":
		return true, state
	}
	log.Fatalf("expected an operation of the model, got %q", kind)
	return false, state
}

var model = porcupine.Model{
	Init: func() interface{} { return "absent" },
	Step: func(state, input, output interface{}) (bool, interface{}) {
		isLegal, after := step(state.(string), input.(string))
		return isLegal, after
	},
}

func main() {
	var histories [][]operation
	if err := json.NewDecoder(os.Stdin).Decode(&histories); err != nil {
		log.Fatalf("expected histories on standard input: %v", err)
	}
	verdicts := []porcupine.CheckResult{}
	for _, history := range histories {
		operations := []porcupine.Operation{}
		for client, one := range history {
			returned := int64(math.MaxInt64)
			if one.Returned != nil {
				returned = *one.Returned
			}
			operations = append(operations, porcupine.Operation{
				ClientId: client, Input: one.Kind, Call: one.Call, Return: returned})
		}
		verdicts = append(verdicts, porcupine.CheckOperationsTimeout(model, operations, timeLimit))
	}
	if err := json.NewEncoder(os.Stdout).Encode(verdicts); err != nil {
		log.Fatal(err)
	}
}
