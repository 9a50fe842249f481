import ArgumentParser
import CoordinatorAPI
import Foundation

/// The command `tandem run`.
struct RunCommand: ServerCommand {
    static let configuration = CommandConfiguration(
        commandName: "run",
        abstract: "Runs a transaction from a file, and makes sure of its outcome.",
        discussion: """
            The file holds the body of POST /v1/transactions; - is standard input. The request \
            has an Idempotency-Key, which is printed first, on standard error. While no outcome is \
            known (the connection is lost, or the replica answers 503), the same request is sent \
            again with the same key, which executes it at most once. If the command is \
            interrupted, run it again with that --key to learn the outcome. With --json it prints \
            the transaction, or the problem. \(CommandStatus.help)
            """)

    @Argument(help: ArgumentHelp("The file with the request, or -.", valueName: "file"))
    var file: String
    @Option(help: "The Idempotency-Key, 1 to 255 printable ASCII characters; a new one without it.")
    var key: String?
    @Option(
        help: ArgumentHelp("How long at most to try for a known outcome.", valueName: "time"))
    var timeout = DurationArgument(.seconds(120))
    @OptionGroup var output: OutputOptions
    @OptionGroup var server: ServerOptions

    func validate() throws {
        guard let key else { return }
        guard (1...255).contains(key.utf8.count),
            key.utf8.allSatisfy({ (0x20...0x7E).contains($0) })
        else {
            throw ValidationError("Expected a --key of 1 to 255 printable ASCII characters.")
        }
    }

    func run(with client: APIClient) async throws {
        let body = try Self.read(file)
        let key = key ?? "tandem-run-\(UUID().uuidString.lowercased())"
        Terminal.error.print("Idempotency-Key: \(key)")
        var request = KeyedRequest(
            client, body: body, key: key, timeout: timeout.duration)
        let (answer, status) = try await request.outcome()
        // What is neither a problem of tandem's nor a success is not from a replica.
        guard answer.isSuccess || (output.json && answer.problem != nil) else {
            throw answer.failure(from: client.address)
        }
        if output.json {
            Terminal.output.print(answer.text)
        } else {
            let json = try answer.json()
            let lines =
                TransactionText.detail(json, on: .output) + ResultText.lines(of: json, on: .output)
            Terminal.output.print(lines.joined(separator: "\n"))
        }
        if status != .done { throw ExitCode(status.rawValue) }
    }

    private static func read(_ file: String) throws(CommandFailure) -> [UInt8] {
        let data: Data?
        if file == "-" {
            data = FileHandle.standardInput.readDataToEndOfFile()
        } else {
            data = FileManager.default.contents(atPath: file)
        }
        guard let data else { throw CommandFailure(.usage, "The file \(file) cannot be read.") }
        // The replica examines the request; a file that is no JSON at all needs none to say so.
        do throws(JSONReadError) {
            _ = try JSONReader.read(Array(data), depthMax: 512)
        } catch {
            throw CommandFailure(.usage, "Expected JSON in \(file): \(error)")
        }
        return Array(data)
    }
}

/// The value of the header field `Idempotency-Key`, a string of structured fields (RFC 9651).
enum IdempotencyKeyField {
    static func quoted(_ key: String) -> String {
        "\"" + key.replacing("\\", with: "\\\\").replacing("\"", with: "\\\"") + "\""
    }
}
