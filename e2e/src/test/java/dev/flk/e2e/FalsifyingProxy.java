// SPDX-License-Identifier: Apache-2.0
package dev.flk.e2e;

import dev.flk.http.testing.TestProxy;
import java.io.BufferedInputStream;
import java.io.ByteArrayOutputStream;
import java.io.EOFException;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.net.Socket;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.Locale;
import java.util.concurrent.atomic.AtomicInteger;

/** An HTTP proxy on loopback that falsifies the first requests with certificates, and forwards all later ones. */
final class FalsifyingProxy extends TestProxy {
    private final Falsification falsification;
    private final AtomicInteger left;

    /** A fault of the transport. */
    enum Falsification {
        /** Forwards half of the body and ends the upload. */
        CUT,
        /** Forwards half of the body with a matching {@code Content-Length}. */
        SHORTENED,
        EMPTIED,
        /** Repeats the body. */
        REPEATED,
        /** Changes a field that is not signed, so that the certificate stays valid, but would be rejected. */
        UNSIGNED_FIELD_CHANGED,
        /** Changes a signed field, so that the signature is wrong. */
        SIGNED_FIELD_CHANGED,
        SECOND_HOST,
        /** Adds a header line without a colon. */
        MALFORMED_HEADER,
        /** Declares chunks, but forwards the body without chunks, and ends the upload. */
        NOT_CHUNKED,
        /** Answers 400 with a JSON object in the form of the backend's. */
        GATEWAY_ERROR,
        /** Answers 413 with HTML. */
        GATEWAY_HTML
    }

    /** @param times the number of requests to falsify */
    FalsifyingProxy(int to, Falsification falsification, int times) throws IOException {
        super(to);
        this.falsification = falsification;
        this.left = new AtomicInteger(times);
        start();
    }

    String url() {
        return "http://127.0.0.1:" + port();
    }

    @Override
    protected void serve(Socket client) throws IOException {
        try (client) {
            InputStream in = new BufferedInputStream(client.getInputStream());
            while (true) {
                Message request = Message.read(in);
                boolean falsifies = request.head.startsWith("POST /v1/pcs") && left.getAndDecrement() > 0;
                client.getOutputStream().write(falsifies ? falsified(request) : forward(request.bytes(), false));
            }
        }
    }

    private byte[] falsified(Message request) throws IOException {
        byte[] half = Arrays.copyOf(request.body, request.body.length / 2);
        String body = new String(request.body, StandardCharsets.UTF_8);
        return switch (falsification) {
            case CUT -> forward(new Message(request.head, half).bytes(), true);
            case SHORTENED -> forward(request.with(half).bytes(), false);
            case EMPTIED -> forward(request.with(new byte[0]).bytes(), false);
            case REPEATED -> forward(request.with(utf8(body + body)).bytes(), false);
            case UNSIGNED_FIELD_CHANGED ->
                forward(
                        request.with(utf8(body.replaceAll("(?<start>\"N_j\":\\{\"[0-9]+\":)", "${start}9")))
                                .bytes(),
                        false);
            case SIGNED_FIELD_CHANGED ->
                forward(
                        request.with(utf8(body.replace("\"budget\":0", "\"budget\":1")))
                                .bytes(),
                        false);
            case SECOND_HOST -> forward(request.withLine("Host: other").bytes(), false);
            case MALFORMED_HEADER -> forward(request.withLine("no colon").bytes(), false);
            case NOT_CHUNKED ->
                forward(
                        new Message(
                                        request.head.replaceAll(
                                                "(?i)content-length: [0-9]+", "Transfer-Encoding: chunked"),
                                        request.body)
                                .bytes(),
                        true);
            case GATEWAY_ERROR -> answer("400 Bad Request", "{\"error\":\"malformed JSON: ends too early\"}");
            case GATEWAY_HTML -> answer("413 Request Entity Too Large", "<html>too large</html>");
        };
    }

    private static byte[] answer(String status, String body) {
        return utf8("HTTP/1.1 " + status + "\r\nContent-Length: " + body.length() + "\r\n\r\n" + body);
    }

    /** Forwards a request on a new connection, and returns the answer. */
    private byte[] forward(byte[] request, boolean isCut) throws IOException {
        try (Socket server = connect()) {
            OutputStream out = server.getOutputStream();
            out.write(request);
            out.flush();
            if (isCut) {
                server.shutdownOutput();
            }
            // the agent's connection is kept, although the backend closes the connection after some refusals
            return kept(Message.read(new BufferedInputStream(server.getInputStream())));
        }
    }

    private static byte[] kept(Message answer) {
        return new Message(answer.head.replaceAll("(?i)connection: close\r\n", ""), answer.body).bytes();
    }

    private static byte[] utf8(String text) {
        return text.getBytes(StandardCharsets.UTF_8);
    }

    /** A request or an answer. The head ends with a line end, but without the empty line. */
    private record Message(String head, byte[] body) {
        static Message read(InputStream in) throws IOException {
            StringBuilder head = new StringBuilder();
            int length = 0;
            for (String line = line(in); !line.isEmpty(); line = line(in)) {
                head.append(line).append("\r\n");
                if (line.toLowerCase(Locale.ROOT).startsWith("content-length:")) {
                    length = Integer.parseInt(
                            line.substring(line.indexOf(':') + 1).strip());
                }
            }
            return new Message(head.toString(), in.readNBytes(length));
        }

        private static String line(InputStream in) throws IOException {
            var line = new ByteArrayOutputStream();
            int b = in.read();
            for (; b >= 0 && b != '\n'; b = in.read()) {
                line.write(b);
            }
            if (b < 0) {
                throw new EOFException();
            }
            return line.toString(StandardCharsets.ISO_8859_1).strip();
        }

        Message with(byte[] other) {
            return new Message(head.replaceAll("(?i)content-length: [0-9]+", "Content-Length: " + other.length), other);
        }

        Message withLine(String line) {
            return new Message(head + line + "\r\n", body);
        }

        byte[] bytes() {
            var bytes = new ByteArrayOutputStream();
            bytes.writeBytes((head + "\r\n").getBytes(StandardCharsets.ISO_8859_1));
            bytes.writeBytes(body);
            return bytes.toByteArray();
        }
    }
}
