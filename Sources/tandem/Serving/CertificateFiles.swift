import EventLoop
import Foundation
import HTTPServer
import Logging
import TransactionEngine

/// The files of the certificate that a replica shows to its clients; the certificate follows them.
final class CertificateFiles: Sendable {
    /// Why the files cannot be used.
    struct Failure: Error, CustomStringConvertible {
        let description: String
    }

    private struct Contents: Equatable {
        let certificate: [UInt8]
        let key: [UInt8]
    }

    let certificate: ServerCertificate
    private let paths: Configuration.TLS
    /// What was tried last, whether or not it could be used.
    private let tried: Lock<Contents>

    init(_ paths: Configuration.TLS) throws {
        self.paths = paths
        let contents = try Self.read(paths)
        do {
            certificate = try ServerCertificate(contents.certificate, key: contents.key)
        } catch {
            throw Self.failure(error, paths)
        }
        tried = Lock(contents)
    }

    /// When the certificate of the files expires; nil if that cannot be read.
    var expiration: Date? {
        ServerCertificate.expiration(of: tried.withLock { $0.certificate }).map {
            Date(timeIntervalSince1970: TimeInterval($0))
        }
    }

    /// Shows what the files hold, if that has changed; returns whether it has.
    ///
    /// If the new files cannot be used, the certificate of before is shown on; the next change is tried.
    func reload() throws -> Bool {
        let contents = try Self.read(paths)
        let isNew = tried.withLock { tried in
            defer { tried = contents }
            return tried != contents
        }
        guard isNew else { return false }
        do {
            try certificate.replace(contents.certificate, key: contents.key)
        } catch {
            throw Self.failure(error, paths)
        }
        return true
    }

    /// Looks for new files for as long as the task runs.
    func follow(
        every interval: Duration, _ clock: some EngineClock, _ logger: Logger
    ) -> Task<Void, Never> {
        Task(executorPreference: EventLoop.shared) {
            while !Task.isCancelled {
                await clock.pause(interval)
                await self.reload(logger)
            }
        }
    }

    /// Shows what the files hold, if that has changed, and logs it.
    func reload(_ logger: Logger) async {
        // A file may be on a slow disk.
        switch await BlockingCall.run({ Result { try self.reload() } }) {
        case .success(false): break
        case .success(true):
            logger.notice(
                "shows a new certificate",
                metadata: ["expiresAt": "\(expiration?.description ?? "unknown")"])
        case .failure(let error):
            logger.error(
                "cannot use the new certificate; the one before is shown on",
                metadata: ["reason": "\(error)"])
        }
    }

    private static func read(_ paths: Configuration.TLS) throws -> Contents {
        func bytes(_ path: String) throws -> [UInt8] {
            guard let data = FileManager.default.contents(atPath: path) else {
                throw Failure(description: "the file \(path) cannot be read")
            }
            return Array(data)
        }
        return Contents(
            certificate: try bytes(paths.certificateFile), key: try bytes(paths.keyFile))
    }

    private static func failure(_ error: any Error, _ paths: Configuration.TLS) -> Failure {
        Failure(
            description:
                "\(paths.certificateFile) and \(paths.keyFile) are no certificate with its key in "
                + "PEM: \(error)")
    }
}
