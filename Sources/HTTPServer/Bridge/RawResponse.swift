import Glibc
import HTTPTypes

/// A response that the server writes to the socket itself, past libmicrohttpd, before it closes the
/// connection.
struct RawResponse: Sendable {
    private let head: [UInt8]
    private let body: [UInt8]

    init(_ response: ServerResponse) {
        var head = "HTTP/1.1 \(response.status.code) \(response.status.reasonPhrase)\r\n"
        for field in response.headerFields.fields {
            head += "\(field.name.text): \(field.value)\r\n"
        }
        head += "Content-Length: \(response.body.count)\r\nConnection: close\r\n"
        self.head = Array(head.utf8)
        body = response.body
    }

    /// The bytes to send now.
    var bytes: [UInt8] {
        head + Array("Date: \(Self.date(time(nil)))\r\n\r\n".utf8) + body
    }

    /// A time in the format of `Date` (RFC 9110, 5.6.7), whatever the locale.
    static func date(_ time: time_t) -> String {
        let days = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"]
        let months = [
            "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
        ]
        var time = time
        var parts = unsafe tm()
        unsafe gmtime_r(&time, &parts)
        func two(_ number: Int32) -> String { number < 10 ? "0\(number)" : "\(number)" }
        let day =
            unsafe "\(days[Int(parts.tm_wday)]), \(two(parts.tm_mday)) \(months[Int(parts.tm_mon)])"
        let hour = unsafe "\(two(parts.tm_hour)):\(two(parts.tm_min)):\(two(parts.tm_sec))"
        return unsafe "\(day) \(1900 + parts.tm_year) \(hour) GMT"
    }
}
