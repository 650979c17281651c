// SPDX-License-Identifier: Apache-2.0
package dev.flk.bench;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.json.JsonMapper;
import java.io.Closeable;
import java.io.IOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;

/** A headless Chromium, controlled by chromedriver, whose protocol is JSON over HTTP. */
final class Chromium implements Closeable {
    private static final HttpClient HTTP = HttpClient.newHttpClient();
    private static final JsonMapper JSON = new JsonMapper();
    private static final String FIRST_PAINT = """
            const done = arguments[0];
            new PerformanceObserver((paints) => paints.getEntriesByName("first-contentful-paint")
                .forEach((paint) => done(paint.startTime))).observe({ type: "paint", buffered: true });
            """;

    private final Program driver;
    private final String session;

    private Chromium(Program driver, String session) {
        this.driver = driver;
        this.session = session;
    }

    /**
     * Starts chromedriver and Chromium.
     *
     * @throws IOException if one of them is not installed
     */
    static Chromium start(Path directory) throws IOException, InterruptedException {
        Map<String, String> environment = Map.of("HOME", directory.toString());
        Program driver = Program.start("chromedriver", directory, environment, List.of("chromedriver", "--port=0"));
        try {
            String address = "http://127.0.0.1:" + driver.awaitPort("started successfully on port ");
            Object options = Map.of("args", List.of("--headless=new", "--no-sandbox", "--disable-gpu"));
            Object wanted = Map.of("browserName", "chrome", "goog:chromeOptions", options);
            JsonNode created = post(address + "/session", Map.of("capabilities", Map.of("alwaysMatch", wanted)));
            return new Chromium(
                    driver, address + "/session/" + created.path("sessionId").asText());
        } catch (IOException | InterruptedException e) {
            driver.close();
            throw e;
        }
    }

    /** Opens a page, and returns the time from the navigation to the first contentful paint in milliseconds. */
    double firstPaintMillis(String url) throws IOException, InterruptedException {
        post(session + "/url", Map.of("url", url));
        return post(session + "/execute/async", Map.of("script", FIRST_PAINT, "args", List.of()))
                .asDouble();
    }

    private static JsonNode post(String url, Object body) throws IOException, InterruptedException {
        HttpRequest request = HttpRequest.newBuilder(URI.create(url))
                .POST(BodyPublishers.ofString(JSON.writeValueAsString(body)))
                .build();
        String answer = HTTP.send(request, BodyHandlers.ofString()).body();
        JsonNode value = JSON.readTree(answer).path("value");
        if (value.has("error")) {
            throw new IOException(
                    "chromedriver failed: " + value.path("message").asText());
        }
        return value;
    }

    @Override
    public void close() throws IOException {
        try {
            HTTP.send(HttpRequest.newBuilder(URI.create(session)).DELETE().build(), BodyHandlers.discarding());
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        } finally {
            driver.close();
        }
    }
}
