import CMicrohttpd
import Glibc

/// The C functions that libmicrohttpd calls.
///
/// They live in a library target: written in a program's main file they would belong to the main
/// actor, and crash on another thread.
enum Callbacks {
    static let access: MHD_AccessHandlerCallback = {
        context, connection, url, method, version, data, size, slot in
        guard let server = unsafe Server.from(context), let connection = unsafe connection,
            let url = unsafe url, let method = unsafe method,
            let version = unsafe version, let size = unsafe size, let slot = unsafe slot,
            let exchange = unsafe Exchange.from(slot.pointee)
        else { return .NO }
        guard exchange.hasBegun else {
            exchange.hasBegun = true
            return unsafe server.begin(
                exchange, connection,
                RequestHead(
                    connection, method: method, url: url, version: version,
                    target: exchange.target))
        }
        return unsafe server.access(
            exchange, connection, UnsafeRawBufferPointer(start: data, count: size.pointee), size)
    }

    /// Called with the raw target once the request line is complete; its result is the request's
    /// context from then on.
    static let target:
        @convention(c) (UnsafeMutableRawPointer?, UnsafePointer<CChar>?, OpaquePointer?) ->
            UnsafeMutableRawPointer? = { _, target, _ in
                let text = unsafe target.map { unsafe String(cString: $0) } ?? ""
                return unsafe Unmanaged.passRetained(Exchange(target: text)).toOpaque()
            }

    /// Leaves the target as it came.
    static let unescape:
        @convention(c) (
            UnsafeMutableRawPointer?, OpaquePointer?, UnsafeMutablePointer<CChar>?
        ) -> Int = { _, _, text in unsafe text.map { unsafe strlen($0) } ?? 0 }

    static let completed: MHD_RequestCompletedCallback = { context, connection, slot, _ in
        guard let slot = unsafe slot, let pointer = unsafe slot.pointee else { return }
        let exchange = unsafe Unmanaged<Exchange>.fromOpaque(pointer).takeRetainedValue()
        unsafe slot.pointee = nil
        guard let server = unsafe Server.from(context), let connection = unsafe connection else {
            return
        }
        unsafe server.completed(exchange, connection)
    }

    static let connection: MHD_NotifyConnectionCallback = { context, connection, _, event in
        guard let server = unsafe Server.from(context), let connection = unsafe connection else {
            return
        }
        let socket = unsafe cmhd_socket(connection)
        if event == .CONNECTION_NOTIFY_STARTED {
            server.keeper.set(socket, within: server.configuration.headerTimeout)
        } else {
            server.keeper.remove(socket)
        }
    }
}

extension Server {
    static func from(_ context: UnsafeMutableRawPointer?) -> Server? {
        unsafe context.map { unsafe Unmanaged<Server>.fromOpaque($0).takeUnretainedValue() }
    }
}

extension Exchange {
    static func from(_ context: UnsafeMutableRawPointer?) -> Exchange? {
        unsafe context.map { unsafe Unmanaged<Exchange>.fromOpaque($0).takeUnretainedValue() }
    }
}
