import EventLoop
import Foundation
import FoundationNetworking

/// Posts bodies to an address that the configuration names, and to no other: redirects are not followed.
///
/// A session calls its delegate about a redirect only where the delegate takes the answer, too.
final class OutgoingPost: NSObject, URLSessionDataDelegate {
    private let url: URL
    private let timeout: Duration
    private let waiting = Lock<[Int: CheckedContinuation<Int, any Error>]>([:])
    private let session = Lock<URLSession?>(nil)

    init(url: URL, timeout: Duration) {
        self.url = url
        self.timeout = timeout
        super.init()
        let settings = URLSessionConfiguration.ephemeral
        settings.urlCache = nil
        settings.httpCookieStorage = nil
        let session = URLSession(configuration: settings, delegate: self, delegateQueue: nil)
        self.session.withLock { $0 = session }
    }

    /// Posts a body once, and returns the status of the answer; what else is in the answer is not kept.
    func send(_ body: [UInt8], type: String, fields: [(String, String)] = []) async throws -> Int {
        var request = URLRequest(url: url)
        request.httpMethod = "POST"
        request.timeoutInterval = timeout / .seconds(1)
        request.setValue(type, forHTTPHeaderField: "Content-Type")
        request.setValue("tandem", forHTTPHeaderField: "User-Agent")
        for (name, value) in fields { request.setValue(value, forHTTPHeaderField: name) }
        request.httpBody = Data(body)
        guard let task = session.withLock({ $0?.dataTask(with: request) }) else {
            throw URLError(.cancelled)
        }
        // The session's own timeout begins again with each byte.
        let limit = Task { [timeout] in
            try await Task.sleep(for: timeout)
            abandon(task, .timedOut)
        }
        defer { limit.cancel() }
        return try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation { continuation in
                waiting.withLock { $0[task.taskIdentifier] = continuation }
                task.resume()
                // A cancellation that came first found no continuation.
                if Task.isCancelled { abandon(task, .cancelled) }
            }
        } onCancel: {
            abandon(task, .cancelled)
        }
    }

    /// Ends an exchange that has not ended; the caller who takes the continuation out resumes it.
    private func abandon(_ task: URLSessionTask, _ reason: URLError.Code) {
        let waiter = waiting.withLock { $0.removeValue(forKey: task.taskIdentifier) }
        waiter?.resume(throwing: URLError(reason))
        task.cancel()
    }

    func urlSession(
        _ session: URLSession, task: URLSessionTask,
        willPerformHTTPRedirection response: HTTPURLResponse, newRequest request: URLRequest,
        completionHandler: @escaping (URLRequest?) -> Void
    ) {
        completionHandler(nil)
    }

    func urlSession(
        _ session: URLSession, task: URLSessionTask, didCompleteWithError error: (any Error)?
    ) {
        guard let done = waiting.withLock({ $0.removeValue(forKey: task.taskIdentifier) }) else {
            return
        }
        if let error {
            done.resume(throwing: error)
        } else {
            done.resume(returning: (task.response as? HTTPURLResponse)?.statusCode ?? 0)
        }
    }
}
