// SPDX-License-Identifier: Apache-2.0
package dev.flk.bench.load;

import java.io.ByteArrayOutputStream;
import java.nio.charset.StandardCharsets;
import java.util.ArrayDeque;
import java.util.function.Supplier;

/**
 * Requests that were made before they are needed, so that making them takes nothing from what is measured. One thread at a time.
 *
 * <p>Memory: every request, about 700 bytes a certificate.
 */
public final class Stock {
    private final Supplier<byte[]> maker;
    private final int itemsPerRequest;
    private final boolean again;
    private final ArrayDeque<byte[]> requests = new ArrayDeque<>();

    private Stock(Supplier<byte[]> maker, int itemsPerRequest, boolean again) {
        this.maker = maker;
        this.itemsPerRequest = itemsPerRequest;
        this.again = again;
    }

    /** One certificate a request, to a path. */
    public static Stock ofSingles(String path, Certificates certificates) {
        return new Stock(() -> request(path, "application/json", certificates.next()), 1, false);
    }

    /** Several certificates a request. */
    public static Stock ofBatches(String path, Certificates certificates, int lines) {
        return new Stock(
                () -> {
                    ByteArrayOutputStream body = new ByteArrayOutputStream();
                    for (int i = 0; i < lines; i++) {
                        body.writeBytes(certificates.next());
                        body.write('\n');
                    }
                    return request(path, "application/x-ndjson", body.toByteArray());
                },
                lines,
                false);
    }

    /** A stock whose requests are sent again and again, in turn, once they were made. */
    public Stock again() {
        return new Stock(maker, itemsPerRequest, true);
    }

    private static byte[] request(String path, String type, byte[] body) {
        ByteArrayOutputStream request = new ByteArrayOutputStream(body.length + 128);
        request.writeBytes(("POST " + path + " HTTP/1.1\r\nHost: localhost\r\nContent-Type: " + type
                        + "\r\nContent-Length: " + body.length + "\r\n\r\n")
                .getBytes(StandardCharsets.US_ASCII));
        request.writeBytes(body);
        return request.toByteArray();
    }

    /** Makes requests until there are this many. */
    public void fill(long most) {
        while (requests.size() < most) {
            requests.add(maker.get());
        }
    }

    boolean isEmpty() {
        return requests.isEmpty();
    }

    byte[] take() {
        byte[] next = requests.remove();
        if (again) {
            requests.add(next);
        }
        return next;
    }

    /** Certificates in each. */
    public int itemsPerRequest() {
        return itemsPerRequest;
    }
}
