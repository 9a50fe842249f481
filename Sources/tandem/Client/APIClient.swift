import CoordinatorAPI
import Foundation
import FoundationNetworking

/// Sends the requests of commands to a replica (docs/decisions/0014 says why by URLSession).
struct APIClient: Sendable {
    /// One request.
    struct Request: Sendable {
        var method = "GET"
        var path: String
        var query: [(name: String, value: String)] = []
        var fields: [String: String] = [:]
        var body: [UInt8]?
        /// How long to wait for the answer; the client's own patience if it is nil.
        var timeout: Duration?
        /// What a terminal shows while the answer takes long; the address if it is nil.
        var purpose: String?

        init(_ path: String, query: [(name: String, value: String)] = []) {
            self.path = path
            self.query = query
        }

        static func post(_ path: String, _ body: [UInt8]? = nil) -> Request {
            var request = Request(path)
            request.method = "POST"
            request.body = body
            return request
        }
    }

    /// Why there is no answer.
    struct Unreachable: Error {
        /// For example `connection refused`.
        let reason: String
        /// Whether the request may have reached the replica all the same.
        let mayHaveArrived: Bool
    }

    let address: ServerAddress
    private let token: String?
    private let patience: Duration
    private let session: URLSession
    private let showsProgress: Bool

    init(_ profile: Profile, patience: Duration = .seconds(30), showsProgress: Bool = true) {
        self.showsProgress = showsProgress
        address = profile.address
        token = profile.token
        self.patience = patience
        let settings = URLSessionConfiguration.ephemeral
        settings.urlCache = nil
        settings.httpCookieStorage = nil
        session = URLSession(
            configuration: settings, delegate: RedirectRefusal(), delegateQueue: nil)
    }

    /// The answer, whatever its status.
    func answer(_ request: Request) async throws(Unreachable) -> APIAnswer {
        let purpose = request.purpose ?? "waiting for \(address)"
        return try await ProgressLine.during(showsProgress ? purpose : nil) {
            () async throws(Unreachable) in try await exchange(request)
        }
    }

    private func exchange(_ request: Request) async throws(Unreachable) -> APIAnswer {
        guard let url = address.url(request.path, query: request.query) else {
            throw Unreachable(reason: "\(request.path) is no path", mayHaveArrived: false)
        }
        var message = URLRequest(url: url)
        message.httpMethod = request.method
        // Rounded up: Foundation takes whole seconds, and 0 for no limit.
        message.timeoutInterval = ((request.timeout ?? patience) / .seconds(1)).rounded(.up)
        message.setValue("application/json", forHTTPHeaderField: "Accept")
        message.setValue("tandem-command", forHTTPHeaderField: "User-Agent")
        if let token { message.setValue("Bearer \(token)", forHTTPHeaderField: "Authorization") }
        for (name, value) in request.fields { message.setValue(value, forHTTPHeaderField: name) }
        if let body = request.body {
            message.setValue("application/json", forHTTPHeaderField: "Content-Type")
            message.httpBody = Data(body)
        }
        do {
            let (data, response) = try await session.data(for: message)
            guard let response = response as? HTTPURLResponse else {
                throw Unreachable(reason: "the answer is no HTTP", mayHaveArrived: true)
            }
            return APIAnswer(
                status: response.statusCode, body: Array(data),
                entityTag: response.value(forHTTPHeaderField: "ETag"),
                retryAfter: response.value(forHTTPHeaderField: "Retry-After").flatMap { Int($0) })
        } catch let error as Unreachable {
            throw error
        } catch {
            throw Unreachable(error, after: request.timeout ?? patience)
        }
    }

    /// The answer, if it is no problem.
    func send(_ request: Request) async throws(CommandFailure) -> APIAnswer {
        let answer: APIAnswer
        do throws(Unreachable) {
            answer = try await self.answer(request)
        } catch {
            throw CommandFailure(.unreachable, sentence(error))
        }
        guard !answer.isSuccess else { return answer }
        throw answer.failure(from: address)
    }

    /// What to say when no answer came.
    func sentence(_ error: Unreachable) -> String {
        let place =
            error.mayHaveArrived
            ? "The replica may have received the request."
            : "Is `tandem serve` running there? Use --url or --profile for another address."
        return "Cannot reach \(address): \(error.reason). \(place)"
    }
}

extension APIClient.Unreachable {
    fileprivate init(_ error: any Error, after timeout: Duration) {
        guard let error = error as? URLError else {
            self.init(reason: "\(error)", mayHaveArrived: true)
            return
        }
        switch error.code {
        case .cannotConnectToHost:
            // The text says "Couldn't connect to server" for a refusal, and names other reasons.
            let text = error.localizedDescription
            let isRefused = text.hasSuffix("Couldn't connect to server")
            self.init(
                reason: isRefused ? "connection refused, nothing listens there" : text,
                mayHaveArrived: false)
        case .cannotFindHost, .dnsLookupFailed:
            self.init(reason: "the host's name is not known", mayHaveArrived: false)
        case .timedOut:
            self.init(
                reason: "no answer within \(timeout.written)", mayHaveArrived: true)
        default:
            self.init(reason: error.localizedDescription, mayHaveArrived: true)
        }
    }
}

/// Follows no redirect: the token is for one address, and a POST that is sent on may become a GET.
private final class RedirectRefusal: NSObject, URLSessionTaskDelegate, Sendable {
    func urlSession(
        _ session: URLSession, task: URLSessionTask,
        willPerformHTTPRedirection response: HTTPURLResponse, newRequest request: URLRequest,
        completionHandler: @escaping (URLRequest?) -> Void
    ) {
        completionHandler(nil)
    }
}
