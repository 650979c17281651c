// SPDX-License-Identifier: Apache-2.0
package dev.flk.e2e;

import dev.flk.e2e.Client.Answer;
import dev.flk.http.testing.RawClient;
import java.io.IOException;
import java.net.http.HttpHeaders;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.Map;
import java.util.stream.Collectors;

/**
 * A connection on which a test can send any bytes, including requests that no HTTP client would send. It returns
 * answers of the same type as {@link Client}.
 */
final class RawConnection implements AutoCloseable {
    private final RawClient client;

    RawConnection(int port) throws IOException {
        client = new RawClient(port);
    }

    /** Sends text unchanged, each character as one byte. */
    RawConnection send(String text) throws IOException {
        client.send(text.getBytes(StandardCharsets.ISO_8859_1));
        return this;
    }

    /** Posts a certificate and reads the answer. */
    Answer submit(byte[] certificate) throws IOException {
        client.post("/v1/pcs/submit", certificate);
        return read();
    }

    /** Reads an answer, including a body of the announced length. */
    Answer read() throws IOException {
        RawClient.Reply reply = client.read();
        Map<String, List<String>> headers = reply.headers().entrySet().stream()
                .collect(Collectors.toMap(Map.Entry::getKey, header -> List.of(header.getValue())));
        return new Answer(reply.status(), reply.body(), HttpHeaders.of(headers, (name, value) -> true));
    }

    /** Returns whether the backend closed the connection without sending more data. */
    boolean isEnded() throws IOException {
        return client.isAtEnd();
    }

    @Override
    public void close() throws IOException {
        client.close();
    }
}
