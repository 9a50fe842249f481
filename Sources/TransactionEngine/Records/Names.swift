/// A request as the engine takes it, under a name that no wire type has.
public typealias EngineRequest = TransactionRequest
