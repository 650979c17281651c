// SPDX-License-Identifier: Apache-2.0
package dev.flk.e2e;

import dev.flk.e2e.Client.Answer;
import java.io.BufferedInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.net.InetAddress;
import java.net.Socket;
import java.net.http.HttpHeaders;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;

/** One connection on which anything can be sent, also what no HTTP client would send. A read that gets nothing fails. */
final class RawConnection implements AutoCloseable {
    private static final int PATIENCE_MILLIS = 20_000;

    private final Socket socket;
    private final InputStream in;

    RawConnection(int port) throws IOException {
        this(port, InetAddress.getLoopbackAddress());
    }

    /** From another address of this machine. */
    RawConnection(int port, InetAddress from) throws IOException {
        socket = new Socket(InetAddress.getLoopbackAddress(), port, from, 0);
        socket.setSoTimeout(PATIENCE_MILLIS);
        socket.setTcpNoDelay(true);
        in = new BufferedInputStream(socket.getInputStream());
    }

    /** Sends text as it is, each character as a byte. */
    RawConnection send(String text) throws IOException {
        return send(text.getBytes(StandardCharsets.ISO_8859_1));
    }

    RawConnection send(byte[] bytes) throws IOException {
        socket.getOutputStream().write(bytes);
        return this;
    }

    /** Posts a body and reads the answer. */
    Answer post(String path, byte[] body) throws IOException {
        return send("POST " + path + " HTTP/1.1\r\nHost: e2e\r\nContent-Length: " + body.length + "\r\n\r\n")
                .send(body)
                .read();
    }

    Answer submit(byte[] certificate) throws IOException {
        return post("/v1/pcs/submit", certificate);
    }

    /** Ends this side: the backend sees that nothing more will come. */
    RawConnection endOutput() throws IOException {
        socket.shutdownOutput();
        return this;
    }

    /** Reads an answer, with as many bytes of body as it announces. */
    Answer read() throws IOException {
        String statusLine = line();
        if (!statusLine.matches("HTTP/1\\.1 [0-9]{3} .+")) {
            throw new AssertionError("no status line: " + statusLine);
        }
        Map<String, List<String>> fields = new TreeMap<>();
        for (String line = line(); !line.isEmpty(); line = line()) {
            String[] field = line.split(": ", 2);
            fields.put(field[0], List.of(field[1]));
        }
        HttpHeaders headers = HttpHeaders.of(fields, (name, value) -> true);
        int length = Math.toIntExact(headers.firstValueAsLong("Content-Length").orElse(0));
        String body = new String(in.readNBytes(length), StandardCharsets.UTF_8);
        return new Answer(Integer.parseInt(statusLine.substring(9, 12)), body, headers);
    }

    /** All that comes until the backend ends its side, each byte as a character. */
    String readToEnd() throws IOException {
        return new String(in.readAllBytes(), StandardCharsets.ISO_8859_1);
    }

    /** The next bytes, as many as these. */
    byte[] bytes(int count) throws IOException {
        return in.readNBytes(count);
    }

    /** Whether the backend ended the connection and sent nothing before. */
    boolean isEnded() throws IOException {
        return in.read() < 0;
    }

    private String line() throws IOException {
        StringBuilder line = new StringBuilder();
        for (int c = in.read(); c != '\n'; c = in.read()) {
            if (c < 0) {
                throw new AssertionError("the connection ended after: " + line);
            }
            if (c != '\r') {
                line.append((char) c);
            }
        }
        return line.toString();
    }

    @Override
    public void close() throws IOException {
        socket.close();
    }
}
