// SPDX-License-Identifier: Apache-2.0
package dev.flk.http.testing;

import java.io.BufferedInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.Socket;
import java.nio.charset.StandardCharsets;
import java.util.HashMap;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;

/** A client that sends any bytes, even invalid HTTP, and reads one answer at a time. */
public final class RawClient implements AutoCloseable {
    private static final int PATIENCE_MILLIS = 20_000;

    private final Socket socket;
    private final InputStream in;
    private final OutputStream out;

    public RawClient(int port) throws IOException {
        this(port, 64 << 10);
    }

    public RawClient(int port, int receiveBufferBytes) throws IOException {
        this(connect(port, receiveBufferBytes));
    }

    /** Creates a client that uses and owns a connected socket. */
    public RawClient(Socket connected) throws IOException {
        socket = connected;
        in = new BufferedInputStream(socket.getInputStream());
        out = socket.getOutputStream();
    }

    /** Connects to a port of this machine. The receive buffer limits how much the server can send without a read. */
    public static Socket connect(int port, int receiveBufferBytes) throws IOException {
        Socket socket = new Socket();
        socket.setReceiveBufferSize(receiveBufferBytes);
        socket.setSoTimeout(PATIENCE_MILLIS);
        socket.connect(new InetSocketAddress(InetAddress.getLoopbackAddress(), port));
        return socket;
    }

    /** Sends text, with CR LF for each newline. */
    public RawClient send(String text) throws IOException {
        return send(text.replace("\n", "\r\n").getBytes(StandardCharsets.ISO_8859_1));
    }

    public RawClient send(byte[] bytes) throws IOException {
        out.write(bytes);
        out.flush();
        return this;
    }

    /** Posts a body to {@code path} with a {@code Content-Length}. */
    public RawClient post(String path, String body) throws IOException {
        return post(path, body.getBytes(StandardCharsets.UTF_8));
    }

    public RawClient post(String path, byte[] body, String... headers) throws IOException {
        String more = headers.length == 0 ? "" : String.join("\n", headers) + "\n";
        return send("POST " + path + " HTTP/1.1\nHost: h\n" + more + "Content-Length: " + body.length + "\n\n")
                .send(body);
    }

    /** Reads an answer with a body. */
    public Reply read() throws IOException {
        Reply head = readHead();
        int length = Integer.parseInt(head.header("content-length").orElse("0"));
        return new Reply(head.statusLine(), head.headers(), new String(in.readNBytes(length), StandardCharsets.UTF_8));
    }

    /** Reads an answer that has no body, whatever its headers say. */
    public Reply readHead() throws IOException {
        String statusLine = readLine();
        Map<String, String> headers = new HashMap<>();
        for (String line = readLine(); !line.isEmpty(); line = readLine()) {
            int colon = line.indexOf(':');
            headers.put(
                    line.substring(0, colon).toLowerCase(Locale.ROOT),
                    line.substring(colon + 1).strip());
        }
        return new Reply(statusLine, headers, "");
    }

    /** Reads a chunk of a chunked body; returns an empty text at the end of the body. */
    public String readChunk() throws IOException {
        int length = Integer.parseInt(readLine(), 16);
        String chunk = new String(in.readNBytes(length), StandardCharsets.UTF_8);
        String end = readLine();
        if (chunk.length() < length || !end.isEmpty()) {
            throw new IOException("a chunk of " + length + " bytes is incomplete: " + chunk + end);
        }
        return chunk;
    }

    /** Reads until the server shuts down its side; returns each byte as a character. */
    public String readToEnd() throws IOException {
        return new String(in.readAllBytes(), StandardCharsets.ISO_8859_1);
    }

    /** Waits until the server shuts down its side or sends a byte; returns whether it shut down its side first. */
    public boolean isAtEnd() throws IOException {
        return in.read() < 0;
    }

    /** Shuts down this side, which shows the server that no more bytes will come. */
    public RawClient shutDownOutput() throws IOException {
        socket.shutdownOutput();
        return this;
    }

    @Override
    public void close() throws IOException {
        socket.close();
    }

    private String readLine() throws IOException {
        StringBuilder line = new StringBuilder();
        for (int c = in.read(); c != '\n'; c = in.read()) {
            if (c < 0) {
                throw new IOException("the connection ended after: " + line);
            }
            if (c != '\r') {
                line.append((char) c);
            }
        }
        return line.toString();
    }

    /**
     * An answer as it was received.
     *
     * @param headers the values by lower-case name
     */
    public record Reply(String statusLine, Map<String, String> headers, String body) {
        public int status() {
            return Integer.parseInt(statusLine.substring(9, 12));
        }

        public Optional<String> header(String name) {
            return Optional.ofNullable(headers.get(name.toLowerCase(Locale.ROOT)));
        }
    }
}
