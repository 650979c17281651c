// SPDX-License-Identifier: Apache-2.0
package dev.flk.bench.process;

import java.io.IOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse.BodyHandlers;
import java.util.concurrent.TimeUnit;

/**
 * A metric of a program, read over the loopback interface.
 *
 * @param port the port that serves {@code /metrics}
 */
public record Gauge(int port, String name) {
    private static final HttpClient HTTP = HttpClient.newHttpClient();
    /**
     * The interval between two reads. Each read makes the program render a page of metrics, which counts as a cost of
     * its work.
     */
    private static final long INTERVAL_MILLIS = 50;

    private static final long TIMEOUT_NANOS = TimeUnit.MINUTES.toNanos(5);

    /**
     * Blocks until the metric is at most {@code max}; returns its value.
     *
     * @throws IOException if the metric does not exist, or is still above {@code max} after five minutes
     */
    public long awaitAtMost(long max) throws IOException, InterruptedException {
        HttpRequest request = HttpRequest.newBuilder(URI.create("http://127.0.0.1:" + port + "/metrics"))
                .build();
        long begun = System.nanoTime();
        while (true) {
            long value = HTTP.send(request, BodyHandlers.ofLines())
                    .body()
                    .filter(line -> line.startsWith(name + " "))
                    .map(line -> Math.round(Double.parseDouble(line.substring(name.length()))))
                    .findFirst()
                    .orElseThrow(() -> new IOException("there is no metric " + name));
            if (value <= max) {
                return value;
            }
            if (System.nanoTime() - begun > TIMEOUT_NANOS) {
                throw new IOException("the metric " + name + " is still " + value + " instead of at most " + max);
            }
            Thread.sleep(INTERVAL_MILLIS);
        }
    }
}
