// SPDX-License-Identifier: Apache-2.0
package dev.flk.diagnostics.debug;

import java.io.Closeable;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.net.Socket;
import java.nio.charset.StandardCharsets;
import java.util.Optional;

/** What is shown on which path, and to whom. Safe for several threads. */
final class DebugPages implements Closeable {
    private static final int READ_MILLIS = 2_000;
    private static final int MOST_DROPPED_BYTES = 64 << 10;
    private static final int USUAL_SECONDS = 30;

    private static final String HELP = """
            GET  /threads            what each thread does, and the locks it holds
            GET  /heap               memory by pool, collectors, the classes that take most
            POST /jfr?seconds=30     a flight recording, up to %d seconds; one at a time
            """.formatted(FlightRecording.MOST_SECONDS);

    private final int port;
    private final FlightRecording recording = new FlightRecording();

    DebugPages(int port) {
        this.port = port;
    }

    /** Reads one request and answers it. What it may send beyond its head is read and dropped: else the kernel drops the answer. */
    void answer(Socket socket, Deadline deadline) throws IOException {
        socket.setSoTimeout(READ_MILLIS);
        Optional<RequestHead> head = RequestHead.read(socket.getInputStream());
        OutputStream out = socket.getOutputStream();
        if (head.isEmpty()) {
            text(out, "400 Bad Request", "this is no HTTP\n");
        } else if (!head.get().isLocal(port)) {
            text(
                    out,
                    "403 Forbidden",
                    "this port is for programs on this machine: ask for http://127.0.0.1:" + port + "\n");
        } else {
            answer(head.get(), out, deadline);
        }
        socket.shutdownOutput();
        socket.getInputStream().readNBytes(MOST_DROPPED_BYTES);
    }

    private void answer(RequestHead head, OutputStream out, Deadline deadline) throws IOException {
        boolean isPost = head.path().equals("/jfr");
        if (!head.method().equals(isPost ? "POST" : "GET")) {
            text(out, "405 Method Not Allowed\r\nAllow: " + (isPost ? "POST" : "GET"), HELP);
            return;
        }
        switch (head.path()) {
            case "/" -> text(out, "200 OK", HELP);
            case "/threads" -> text(out, "200 OK", JvmState.threads());
            case "/heap" -> text(out, "200 OK", JvmState.heap());
            case "/jfr" -> record(head, out, deadline);
            default -> text(out, "404 Not Found", HELP);
        }
    }

    private void record(RequestHead head, OutputStream out, Deadline deadline) throws IOException {
        String seconds = head.parameter("seconds").orElse(Integer.toString(USUAL_SECONDS));
        if (!seconds.matches("[1-9][0-9]{0,2}") || Integer.parseInt(seconds) > FlightRecording.MOST_SECONDS) {
            text(out, "400 Bad Request", "seconds: a whole number from 1 to " + FlightRecording.MOST_SECONDS + "\n");
            return;
        }
        deadline.postpone(Integer.parseInt(seconds));
        FlightRecording.Result result = recording.record(Integer.parseInt(seconds));
        if (result instanceof FlightRecording.Failed failed) {
            text(out, failed.isBusy() ? "409 Conflict" : "500 Internal Server Error", failed.why() + "\n");
        } else if (result instanceof FlightRecording.Recorded recorded) {
            try (InputStream content = recorded.content()) {
                deadline.postpone(0);
                head(
                        out,
                        "200 OK",
                        "application/octet-stream\r\nContent-Disposition: attachment; filename=\"flk.jfr\"",
                        recorded.bytes());
                content.transferTo(out);
            }
        }
    }

    private static void text(OutputStream out, String status, String text) throws IOException {
        byte[] body = text.getBytes(StandardCharsets.UTF_8);
        head(out, status, "text/plain; charset=utf-8", body.length);
        out.write(body);
    }

    private static void head(OutputStream out, String status, String type, long length) throws IOException {
        out.write(("HTTP/1.1 " + status + "\r\nContent-Type: " + type + "\r\nContent-Length: " + length
                        + "\r\nCache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\nConnection: close\r\n\r\n")
                .getBytes(StandardCharsets.US_ASCII));
    }

    @Override
    public void close() {
        recording.close();
    }
}
