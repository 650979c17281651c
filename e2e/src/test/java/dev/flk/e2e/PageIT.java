// SPDX-License-Identifier: Apache-2.0
package dev.flk.e2e;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import com.fasterxml.jackson.databind.node.TextNode;
import dev.flk.sample.Pcs;
import dev.flk.testkit.PostgresServer;
import dev.flk.testkit.RedisServer;
import java.net.URLEncoder;
import java.net.http.HttpRequest.BodyPublishers;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.time.Duration;
import java.util.HashMap;
import java.util.HexFormat;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.openqa.selenium.By;
import org.openqa.selenium.Dimension;
import org.openqa.selenium.Keys;
import org.openqa.selenium.OutputType;
import org.openqa.selenium.StaleElementReferenceException;
import org.openqa.selenium.WebElement;
import org.openqa.selenium.interactions.Actions;

/** Tests of the operators' page in a real browser, served by a real backend. */
final class PageIT {
    private static final String TOKEN = "the token of an operator";

    /** Texts that contain fragments with a special meaning in HTML, attributes, URLs, scripts or templates. */
    private static final List<String> HOSTILE_TEXTS = List.of(
            "<img src=x onerror=document.title='hacked'>"
                    + "<script>document.title='hacked'</script>"
                    + "</script><svg onload=document.title='hacked'>"
                    + "\" autofocus onfocus=\"document.title='hacked'"
                    + "' onmouseover='document.title=1"
                    + "--><b>"
                    + "]]><i>"
                    + "&lt;s&gt;",
            "javascript:document.title='hacked'"
                    + "&#60;s&#62;"
                    + "%3Cs%3E"
                    + "${1+1}"
                    + "@template.ui.key()"
                    + "\\"
                    + "`"
                    + "\r\n\r\n<s>"
                    + "\t/../",
            "?a=b&c=d#e"
                    + "</title></textarea></style><u hx-get=/ui>"
                    + "\u0000\u0008"
                    + "\u2028\u202e"
                    + "\ufeff\ud83d\ude00<"
                    + "\""
                    + "'"
                    + "<"
                    + ">");

    /** All views, some of them with parameters. */
    private static final List<String> VIEWS = List.of(
            "",
            "/agents",
            "/agents?silent=on",
            "/outcomes",
            "/outcomes?verdict=rejected&from=2026-01-01T00:00:00Z",
            "/outcomes?verdict=accepted&to=2026-01-01T00:00:00Z",
            "/outcomes?clock=measured&regime=mixed&shard=pump-1&reason=regime%20mismatch",
            "/shards",
            "/shards?verdict=rejected",
            "/shard?name=pump-1",
            "/key?id=none",
            "/review",
            "/review?show=reviewed",
            "/state",
            "/state?namespace=flk.review",
            "/state?events=on",
            "/state?namespace=flk.sessions&agent=agent-1&key=agent-1");

    /** Whether to write screenshots of all views to target/page for visual inspection. */
    private static final boolean SCREENSHOTS = Boolean.getBoolean("flk.screenshots");

    private static Browser browser;

    @TempDir
    private Path directory;

    @BeforeAll
    static void startBrowser() throws Exception {
        browser = Browser.start();
    }

    @AfterAll
    static void closeBrowser() {
        if (browser != null) {
            browser.close();
        }
    }

    @BeforeEach
    void forgetEarlierErrors() {
        browser.open("about:blank");
        List<String> earlier = browser.errors();
        assertThat(earlier).isNotNull();
    }

    private BackendProcess start(Map<String, String> more) throws Exception {
        byte[] digest = MessageDigest.getInstance("SHA-256").digest(TOKEN.getBytes(StandardCharsets.UTF_8));
        Files.writeString(
                directory.resolve("tokens.json"),
                "{\"version\": 1, \"tokens\": [{\"name\": \"operator\", \"sha256\": \""
                        + HexFormat.of().formatHex(digest)
                        + "\", \"read\": [\"sessions/\"], \"write\": [\"sessions/\"]}]}");
        return BackendProcess.start(directory, more);
    }

    private BackendProcess startWithState() throws Exception {
        return start(Map.of("STATE_PORT", "0", "STATE_TOKENS_FILE", "tokens.json"));
    }

    /** Returns a certificate of a drifting shard. Every fifth certificate makes a wrong claim. */
    private static Pcs pcs(int number, String shard) {
        double dHat = 1.1 + 0.5 * Math.sin(number / 6.0);
        double cohStar = 0.6 + 0.3 * Math.cos(number / 9.0);
        String boxes = Stream.of(2, 4, 8, 16)
                .map(scale -> "\"%d\":%d".formatted(scale, Math.round(20 * Math.pow(scale / 2.0, dHat))))
                .collect(Collectors.joining(",", "{", "}"));
        return Pcs.number(number)
                .ofShard(shard)
                .with("N_j", boxes)
                .with("D_hat", number(number % 5 == 0 ? dHat + 0.4 : dHat))
                .with("coh_star", number(cohStar))
                .with("budget", number(0.16 + 0.2 * cohStar))
                .with("regime", dHat <= 1.5 && cohStar >= 0.7 ? "\"sticky\"" : "\"mixed\"");
    }

    private static String number(double value) {
        return String.format(Locale.ROOT, "%.4f", value);
    }

    private static void submit(Client client, String shard, int from, int to) throws Exception {
        for (int i = from; i <= to; i++) {
            assertThat(client.submit(pcs(i, shard)).status()).isIn(200, 202);
        }
        awaitRecorded(client);
    }

    private static void awaitRecorded(Client client) {
        client.awaitNothingPending();
        Client.awaitUntil(() -> client.metric("flk_record_lag_records") == 0);
    }

    private static void report(Client client, String session, String json) throws Exception {
        assertThat(client.send(client.request("/v1/sessions/" + session)
                                .header("Authorization", "Bearer " + TOKEN)
                                .PUT(BodyPublishers.ofString(json)))
                        .status())
                .isEqualTo(200);
    }

    @Test
    void everyView_isAccessibleAndFits() throws Exception {
        try (BackendProcess backend = startWithState()) {
            Client client = new Client(backend.url());
            client.awaitReady();
            look(backend, "empty", VIEWS);
            // these views are answered 404 and 400, which the console reports
            for (String view : List.of("/search?q=x", "/agents?sort=x", "/shard?name=a&from=x")) {
                browser.open(backend.url() + "/ui" + view);
                List<String> expected = browser.errors();
                assertThat(expected).hasSize(1).allMatch(error -> error.contains("404") || error.contains("400"));
                lookAround("wrong" + view);
            }
            submit(client, "pump-1", 1, 60);
            report(
                    client,
                    "agent-1",
                    "{\"version\":\"1.0\",\"host\":\"h\",\"pending\":7,\"oldest_pending_seconds\":90}");
            look(backend, "data", VIEWS);
            String id = pcs(5, "pump-1").id().toString();
            look(backend, "data", List.of("/certificate?id=" + id, "/review?id=" + id, "/outcomes?id=" + id));
        }
    }

    private static void look(BackendProcess backend, String kind, List<String> views) throws Exception {
        for (String view : views) {
            browser.open(backend.url() + "/ui" + view);
            lookAround(kind + view);
        }
    }

    /** Requires that the open page is sound in both widths and in both themes. */
    private static void lookAround(String name) throws Exception {
        for (Map.Entry<Integer, String> each :
                Map.of(Browser.NARROW, "dark", Browser.WIDE, "light").entrySet()) {
            browser.width(each.getKey());
            browser.theme(each.getValue());
            browser.requireSound();
            if (SCREENSHOTS) {
                shoot(name.replaceAll("[^a-z]+", "-") + "-" + each.getKey() + "-" + each.getValue());
            }
        }
    }

    /** Writes a screenshot to target/page. */
    private static void shoot(String name) throws Exception {
        Path pictures = Files.createDirectories(Path.of("target", "page"));
        Files.write(
                pictures.resolve(name.replaceAll("-+", "-") + ".png"),
                browser.driver().getScreenshotAs(OutputType.BYTES));
    }

    @Test
    void openPage_followsTheBackend_andReportsItsEnd() throws Exception {
        browser.width(Browser.WIDE);
        browser.zone("Asia/Tokyo");
        try (BackendProcess backend = startWithState()) {
            Client client = new Client(backend.url());
            client.awaitReady();
            submit(client, "pump-1", 1, 3);
            browser.open(backend.url() + "/ui/shard?name=pump-1");
            browser.awaitText("The newest 3 outcomes");
            assertThat(browser.find("time").getText()).matches("[-0-9]{10} [:0-9]{8} \\([:0-9]{8} UTC\\)");

            submit(client, "pump-1", 4, 5);

            browser.awaitText("The newest 5 outcomes");
            assertThat(browser.find("#stale").isDisplayed()).isFalse();
            assertThat(browser.errors()).isEmpty();
        }
        Client.awaitUntil(() -> browser.find("#stale").isDisplayed());
    }

    @Test
    @Tag("thorough")
    void now_problemThatBegins_isCountedInTheTitle_andItsNumbersLeadToTheirLists() throws Exception {
        browser.width(Browser.WIDE);
        browser.theme("light");
        try (BackendProcess backend = startWithState()) {
            Client client = new Client(backend.url());
            client.awaitReady();
            browser.open(backend.url() + "/ui");
            assertThat(browser.text()).contains("This backend sees no problem.");
            assertThat(browser.driver().getTitle()).startsWith("Now – ");
            submit(client, "pump-1", 1, 60);

            // certificates that wait for a review are counted once a minute, as budgets are; the page updates itself
            await().atMost(Duration.ofMinutes(3))
                    .until(() -> browser.driver().getTitle().startsWith("(2) Now – "));

            assertThat(browser.text())
                    .contains("12 certificates wait for a review.")
                    .containsPattern("An error budget is used up: 12 of 60 certificates were escalated or rejected");
            for (int width : List.of(Browser.WIDE, Browser.NARROW)) {
                for (String theme : List.of("light", "dark")) {
                    browser.width(width);
                    browser.theme(theme);
                    browser.requireSound();
                    if (SCREENSHOTS) {
                        browser.size(width, 3_400);
                        shoot("now-" + width + "-" + theme);
                    }
                }
            }
            browser.width(Browser.WIDE);
            browser.driver().findElement(By.linkText("12 rejected")).click();
            browser.awaitText("12 rejected certificates that arrived from ");
            assertThat(browser.driver().findElements(By.cssSelector("tbody tr")))
                    .hasSize(12);
            browser.open(backend.url() + "/ui");
            browser.driver().findElement(By.linkText("what waits")).click();
            browser.awaitText("12 certificates wait for a review.");
            assertThat(browser.errors()).isEmpty();
        }
    }

    @Test
    void range_canBeChosenByDraggingAndByLinks() throws Exception {
        browser.width(Browser.WIDE);
        try (BackendProcess backend = startWithState()) {
            Client client = new Client(backend.url());
            client.awaitReady();
            submit(client, "pump-1", 1, 9);
            browser.open(backend.url() + "/ui/shard?name=pump-1");
            WebElement plot = browser.find("figure[data-zoom] svg");
            Dimension size = plot.getSize();

            new Actions(browser.driver())
                    .moveToElement(plot, -size.width / 4, 0)
                    .clickAndHold()
                    .moveToElement(plot, size.width / 4, 0)
                    .release()
                    .perform();

            Client.awaitUntil(() -> browser.driver().getCurrentUrl().contains("&from="));
            assertThat(browser.driver().getCurrentUrl()).contains("name=pump-1&clock=received&from=", "&to=");
            String before = browser.driver().getCurrentUrl();
            // a page update may replace the link
            await().ignoreException(StaleElementReferenceException.class).until(() -> {
                browser.driver().findElement(By.linkText("zoom out")).sendKeys(Keys.ENTER);
                return true;
            });
            Client.awaitUntil(() -> !browser.driver().getCurrentUrl().equals(before));
            browser.awaitText("outcomes of this range");
            assertThat(browser.errors()).isEmpty();
        }
    }

    @Test
    @Tag("thorough")
    void hostileText_neverBecomesMarkup() throws Exception {
        browser.width(Browser.WIDE);
        try (BackendProcess backend = startWithState()) {
            Client client = new Client(backend.url());
            client.awaitReady();
            Set<String> plain = markup(backend, client, "plain", 0);
            for (String text : HOSTILE_TEXTS) {
                assertThat(markup(backend, client, text, 1 + HOSTILE_TEXTS.indexOf(text)))
                        .as(text)
                        .isSubsetOf(plain);
            }
            // the console also reports the answers 400 and 404 to queries with these texts
            assertThat(browser.errors()).noneMatch(error -> error.contains("Content Security Policy"));
        }
    }

    /**
     * Puts a text into each field of a certificate, session, review or query that can hold it, and opens each view that
     * shows the text. Returns the names of all elements, each with its attribute names and the start of each URL that
     * it refers to.
     */
    private static Set<String> markup(BackendProcess backend, Client client, String text, int number) throws Exception {
        String quoted = TextNode.valueOf(text).toString();
        String agent = "agent-" + number;
        Pcs wrong = pcs(5, text).with("extra", "{" + quoted + ":" + quoted + "}");
        for (Pcs each : List.of(pcs(4, text), wrong, pcs(6, text))) {
            assertThat(client.submit(each).status()).as(text).isIn(200, 202);
        }
        awaitRecorded(client);
        report(
                client,
                agent,
                Stream.of("version", "host", "pending", "oldest_pending_seconds", "clock_ahead_ms", text)
                        .map(member -> TextNode.valueOf(member) + ":" + quoted)
                        .collect(Collectors.joining(",", "{", "}")));
        String query = URLEncoder.encode(text, StandardCharsets.UTF_8);
        Set<String> found = new TreeSet<>(elements(backend, "/review"));
        String author = TextNode.valueOf(text.substring(
                        0, text.offsetByCodePoints(0, Math.min(20, text.codePointCount(0, text.length())))))
                .toString();
        assertThat(client.send(client.request("/v1/reviews")
                                .header("Content-Type", "application/json")
                                .PUT(BodyPublishers.ofString("{\"ids\":[\""
                                        + pcs(5, text).id()
                                        + "\"],\"verdict\":\"fault\",\"note\":" + quoted + ",\"author\":" + author
                                        + "}")))
                        .status())
                .isEqualTo(200);
        for (String view : List.of(
                "/agents",
                "/agents?prefix=" + query,
                "/shards",
                "/shards?prefix=" + query + "&text=" + query + "&verdict=" + query,
                "/shard?name=" + query,
                "/shard?name=" + query + "&from=" + query,
                "/certificate?id=" + wrong.id(),
                "/key?id=" + query,
                "/review",
                "/search?q=" + query,
                "/search?q=" + query + "x",
                "/state?namespace=flk.review&agent=" + query,
                "/state?events=on",
                "/state?namespace=" + query,
                "/state?namespace=flk.sessions&agent=" + agent + "&key=" + agent)) {
            found.addAll(elements(backend, view));
        }
        return found;
    }

    private static Set<String> elements(BackendProcess backend, String view) {
        browser.open(backend.url() + "/ui" + view);
        assertThat(browser.driver().getTitle()).as(view).isNotEqualTo("hacked");
        List<?> elements = (List<?>) browser.run("""
                // htmx adds a class to an element with hx-get while it loads the element
                const names = (each) => each.getAttributeNames().sort()
                    .filter((name) => name !== 'class' || !each.hasAttribute('hx-get'));
                return [...document.querySelectorAll('*')].map((each) => [each.tagName,
                    ...names(each).map((name) => ['href', 'src', 'action'].includes(name)
                        ? name + '=' + each.getAttribute(name).replace(/[?#].*/, '') : name)].join(' '));
                """);
        return elements.stream().map(String.class::cast).collect(Collectors.toCollection(TreeSet::new));
    }

    @Test
    void storeDown_pageSaysWhatIsWrongAndWhatToDo() throws Exception {
        browser.width(Browser.NARROW);
        BackendInJvm.createLog(directory);
        try (BackendProcess backend = start(Map.of(
                "DEDUP_BACKEND",
                "redis",
                "REDIS_ADDR",
                "127.0.0.1:1",
                "STATE_PORT",
                "0",
                "STATE_TOKENS_FILE",
                "tokens.json"))) {
            browser.open(backend.url() + "/ui");
            browser.awaitText("The deduplication store is not ready: ");
            assertThat(browser.text()).contains("Run flk backend health on its host; it names the cause.");
            assertThat(browser.driver().getTitle()).matches("\\([1-9]\\) Now – .+");
            browser.requireSound();
            for (String view : List.of("agents", "outcomes", "shards", "shard?name=a", "review", "state")) {
                browser.open(backend.url() + "/ui/" + view);
                browser.requireSound();
            }
        }
    }

    @Test
    void storeGoesDown_everyViewSaysSo() throws Exception {
        try (PostgresServer server = PostgresServer.startWithScram()) {
            Map<String, String> settings = new HashMap<>(server.configuration());
            settings.putAll(Map.of("STATE_ENGINE", "postgres", "STATE_PORT", "0", "STATE_TOKENS_FILE", "tokens.json"));
            try (BackendProcess backend = start(settings)) {
                Client client = new Client(backend.url());
                client.awaitReady();
                submit(client, "pump-1", 1, 5);
                server.kill();
                for (String view : List.of("agents", "outcomes", "shard?name=pump-1", "review", "state")) {
                    browser.open(backend.url() + "/ui/" + view);
                    assertThat(browser.text()).as(view).contains("The data for this view can't be read now");
                    assertThat(browser.errors()).hasSize(1).allMatch(error -> error.contains("503"));
                }
                lookAround("down");
                browser.open(backend.url() + "/ui");
                browser.awaitText("The deduplication store is not ready: ");
                lookAround("down-now");
            }
        }
    }

    @Test
    void logsOfASharedStore_areShown() throws Exception {
        browser.width(Browser.NARROW);
        try (RedisServer redis = RedisServer.start(directory.resolve("redis"));
                ServedBackend other = BackendInJvm.start(
                        Files.createDirectory(directory.resolve("other")),
                        with(redis.configuration(), "a-second-backend", "TOL_D", "0.2"))) {
            new Client(other.url()).awaitReady();
            try (BackendProcess backend = start(with(redis.configuration(), "a-backend", "RECORD", "off"))) {
                new Client(backend.url()).awaitReady();

                browser.open(backend.url() + "/ui");

                browser.awaitText("Backends of this store decide by different policies.");
                assertThat(browser.find("section[aria-labelledby=logs]").getText())
                        .contains("Logs of this store", "a-backend\nup", "a-second-backend\nup");
                browser.requireSound();
                if (SCREENSHOTS) {
                    shoot("logs");
                }
            }
        }
    }

    private static Map<String, String> with(Map<String, String> settings, String log, String name, String value) {
        Map<String, String> all = new HashMap<>(settings);
        all.put("LOG_NAME", log);
        all.put(name, value);
        return all;
    }

    @Test
    void viewsWithoutState_sayWhy() throws Exception {
        requireViews(Map.of("STATE_PORT", "off"), "STATE_PORT is off", "agents", "review", "state");
    }

    @Test
    void viewsWithoutRecord_sayWhy() throws Exception {
        Map<String, String> settings = Map.of("RECORD", "off", "STATE_PORT", "0", "STATE_TOKENS_FILE", "tokens.json");
        requireViews(settings, "RECORD is off", "shards", "review");
    }

    private void requireViews(Map<String, String> settings, String text, String... views) throws Exception {
        browser.width(Browser.NARROW);
        try (BackendProcess backend = start(settings)) {
            new Client(backend.url()).awaitReady();
            for (String view : views) {
                browser.open(backend.url() + "/ui/" + view);
                assertThat(browser.text()).as(view).contains(text);
                browser.requireSound();
            }
        }
    }
}
