// SPDX-License-Identifier: Apache-2.0
package dev.flk.e2e;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import com.fasterxml.jackson.databind.node.TextNode;
import dev.flk.sample.Pcs;
import dev.flk.signing.HmacSigner;
import dev.flk.signing.message.MessageSigner;
import dev.flk.testkit.PostgresServer;
import java.net.URLEncoder;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublishers;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.UUID;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.openqa.selenium.By;
import org.openqa.selenium.Dimension;
import org.openqa.selenium.Keys;
import org.openqa.selenium.OutputType;
import org.openqa.selenium.WebElement;
import org.openqa.selenium.interactions.Actions;

/** Tests of the operators' page in a real browser: each view in each condition, and what only its script does. */
final class PageIT {
    private static final String SHARD = "hall-3/bearing-of-the-inner-ring/sensor-12";
    private static final int OUTCOMES = 60;

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
            "/refused",
            "/outcomes",
            "/outcomes?verdict=rejected&from=2026-01-01T00:00:00Z",
            "/outcomes?clock=measured&regime=mixed&shard=pump-1&reason=regime%20mismatch",
            "/shards",
            "/shards?verdict=rejected",
            "/outcomes?shard=" + SHARD,
            "/outcomes?shard=" + SHARD + "&verdict=rejected",
            "/outcomes?key=none",
            "/review",
            "/review?show=reviewed");

    private static final List<String> VIEWS_OF_STATE = List.of(
            "/state",
            "/state?namespace=flk.sessions",
            "/state?events=on",
            "/state?namespace=flk.sessions&agent=agent-1&key=agent-1");

    /** Whether to write screenshots of all views to target/page for visual inspection. */
    private static final boolean SCREENSHOTS = Boolean.getBoolean("flk.screenshots");

    @TempDir
    private static Path shared;

    private static Browser browser;
    private static ServedBackend withData;
    private static Client client;

    @TempDir
    private Path directory;

    @BeforeAll
    static void start() throws Exception {
        browser = Browser.start();
        withData = start(shared, Map.of());
        client = new Client(withData.url());
        submit(client, SHARD, 1, OUTCOMES);
        report(client, "agent-1", "{\"version\":\"1.0\",\"host\":\"h\",\"pending\":7,\"oldest_pending_seconds\":90}");
    }

    @AfterAll
    static void close() {
        if (withData != null) {
            withData.close();
        }
        if (browser != null) {
            browser.close();
        }
    }

    @BeforeEach
    void forgetEarlierErrors() {
        browser.open("about:blank");
        List<String> earlier = browser.errors();
        assertThat(earlier).isNotNull();
        browser.width(Browser.WIDE);
        browser.theme("light");
    }

    private static ServedBackend start(Path directory, Map<String, String> more) throws Exception {
        ServedBackend backend = BackendInJvm.start(directory, more);
        new Client(backend.url()).awaitReady();
        return backend;
    }

    /** Returns a certificate. Every fifth makes a wrong claim. */
    private static Pcs pcs(int number, String shard) {
        return Pcs.number(number).ofShard(shard).with("D_hat", number % 5 == 0 ? "1.9" : "1.0");
    }

    private static String wrong() {
        return pcs(5, SHARD).id().toString();
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

    private static void report(Client client, String agent, String json) throws Exception {
        put(client, "/v1/agents/" + agent, json);
    }

    private static void put(Client client, String path, String json) throws Exception {
        HttpRequest.Builder request = client.request(path).PUT(BodyPublishers.ofString(json));
        MessageSigner.of(new HmacSigner(Pcs.KEY))
                .sign(
                        "PUT",
                        path,
                        Map.of(),
                        json.getBytes(StandardCharsets.UTF_8),
                        Instant.now(),
                        UUID.randomUUID().toString())
                .forEach(request::header);
        assertThat(client.send(request).status()).isIn(200, 201);
    }

    private static void open(ServedBackend backend, String view) {
        browser.open(backend.url() + "/ui" + view);
    }

    private static List<String> viewsOfData() {
        return Stream.concat(
                        VIEWS.stream(),
                        Stream.of("/certificate?id=", "/review?id=", "/outcomes?id=")
                                .map(view -> view + wrong()))
                .toList();
    }

    /** Tests in each build what the tests below test for each width and condition. */
    @Test
    void noView_writesToTheConsole_andAKeyReviews() {
        for (String view : viewsOfData()) {
            open(withData, view);
            assertThat(browser.find("h1").getText()).as(view).isNotEmpty();
            assertThat(browser.errors()).as(view).isEmpty();
        }
        open(withData, "/review");
        new Actions(browser.driver()).sendKeys("f", "anna", Keys.ESCAPE, "f").perform(); // at first, it asks the name
        browser.awaitText("1 certificate was reviewed as fault.");
        new Actions(browser.driver()).sendKeys("z").perform();
        browser.awaitText("1 review was withdrawn.");
        assertThat(browser.errors()).isEmpty();
    }

    /**
     * Requires that views are sound in both widths and in both themes, and hide no text.
     *
     * @param status the status of their answers, which the console reports; empty for 200
     */
    private static void look(String condition, ServedBackend backend, String status, List<String> views)
            throws Exception {
        for (String view : views) {
            open(backend, view);
            assertThat(browser.errors())
                    .as(view)
                    .hasSize(status.isEmpty() ? 0 : 1)
                    .allMatch(error -> error.contains("status of " + status));
            for (int width : List.of(Browser.NARROW, Browser.WIDE)) {
                for (String theme : List.of("dark", "light")) {
                    browser.width(width);
                    browser.theme(theme);
                    browser.requireSound();
                    if (SCREENSHOTS) {
                        shoot((condition + view).replaceAll("[^a-z]+", "-") + "-" + width + "-" + theme);
                    }
                }
                // a value may be as long as it likes, and a wide table can be scrolled
                Object cut = browser.run("""
                        const cuts = (each) => getComputedStyle(each).overflowX !== 'visible'
                            && each.scrollWidth > each.clientWidth + 1;
                        return [...document.querySelectorAll('main *:not(.hidden, .wide, thead, input, select, svg *)')]
                            .filter((each) => cuts(each) && !each.querySelector('svg.bars')).map((each) => each.outerHTML.slice(0, 200));
                        """);
                if (!VIEWS_OF_STATE.contains(view)) {
                    assertThat((List<?>) cut).as("%s at %d", view, width).isEmpty();
                }
            }
        }
    }

    /** Writes a screenshot to target/page. */
    private static void shoot(String name) throws Exception {
        Path pictures = Files.createDirectories(Path.of("target", "page"));
        Files.write(pictures.resolve(name + ".png"), browser.driver().getScreenshotAs(OutputType.BYTES));
    }

    @Test
    @Tag("thorough")
    void viewsOfData_areSound() throws Exception {
        look("data", withData, "", viewsOfData());
        look("wrong", withData, "404", List.of("/search?q=hall", "/unknown"));
        look("wrong", withData, "400", List.of("/agents?sort=x", "/outcomes?from=x"));
    }

    @Test
    @Tag("thorough")
    void emptyViews_areSound() throws Exception {
        try (ServedBackend backend = start(directory, Map.of())) {
            look("empty", backend, "", VIEWS);
        }
    }

    @Test
    @Tag("thorough")
    void viewsWithoutRecord_areSound() throws Exception {
        try (ServedBackend backend = start(directory, Map.of("RECORD", "off"))) {
            look("off", backend, "", List.of("", "/agents", "/outcomes", "/shards", "/review"));
        }
    }

    @Test
    @Tag("thorough")
    void viewsOfState_areSound_andHostileTextNeverBecomesMarkup() throws Exception {
        try (ServedBackend state = StateInJvm.start(directory, Map.of())) {
            Client ofState = new Client(state.url());
            ofState.awaitReady();
            look("state", state, "", VIEWS_OF_STATE);
            Set<String> plain = new TreeSet<>(markupOfState(state, "plain", 0));
            plain.addAll(elements(state, "/state?sort=x")); // what is wrong with a name is said as with a parameter
            for (String text : HOSTILE_TEXTS) {
                assertThat(markupOfState(state, text, 1 + HOSTILE_TEXTS.indexOf(text)))
                        .as(text)
                        .isSubsetOf(plain);
            }
            assertThat(browser.errors()).noneMatch(error -> error.contains("Content Security Policy"));
        }
    }

    private static Set<String> markupOfState(ServedBackend state, String text, int number) throws Exception {
        String quoted = TextNode.valueOf(text).toString();
        String agent = "agent-" + number;
        put(new Client(state.url()), "/v1/sessions/" + agent, "{" + quoted + ":" + quoted + "}");
        String query = URLEncoder.encode(text, StandardCharsets.UTF_8);
        return Stream.of(
                        "/state?namespace=flk.sessions&agent=" + query,
                        "/state?events=on",
                        "/state?namespace=" + query,
                        "/state?namespace=flk.sessions&agent=" + agent + "&key=" + agent)
                .flatMap(view -> elements(state, view).stream())
                .collect(Collectors.toCollection(TreeSet::new));
    }

    @Test
    @Tag("thorough")
    void storeGoesDown_everyViewSaysSo_andIsSound() throws Exception {
        try (PostgresServer server = PostgresServer.startWithScram()) {
            Map<String, String> settings = new HashMap<>(server.configuration());
            settings.put("TOL_D", "0.2");
            Map<String, String> others = new HashMap<>(server.configuration());
            String name = "flk-backend-1.flk-backend-headless.measurements.svc.cluster.local";
            others.putAll(Map.of("LOG_NAME", name, "UI_URL", "https://other.example/ui"));
            try (ServedBackend other = BackendInJvm.start(Files.createDirectory(directory.resolve("other")), others);
                    ServedBackend backend = start(directory, settings)) {
                submit(new Client(backend.url()), "pump-1", 1, 5);
                new Client(other.url()).awaitReady();
                Client.awaitUntil(() -> {
                    open(backend, "");
                    return browser.text().contains("Backends of this store decide by different policies.");
                });
                assertThat(browser.find("[aria-labelledby=backends]").getText())
                        .contains(name, "(this one)", "(differs)");
                look("logs", backend, "", List.of("", "/outcomes", "/review"));
                server.kill();
                List<String> views = List.of("/outcomes", "/outcomes?shard=pump-1", "/review");
                for (String view : views) {
                    open(backend, view);
                    assertThat(browser.text()).as(view).contains("The data for this view can't be read now");
                }
                assertThat(browser.errors()).hasSameSizeAs(views);
                look("down", backend, "503", views);
                open(backend, "");
                browser.awaitText("The deduplication store is not ready: ");
                look("down", backend, "", List.of(""));
            }
        }
    }

    @Test
    @Tag("thorough")
    void openNow_countsProblemsInItsTitleAndIcon() {
        open(withData, "");
        // certificates that wait for a review are counted once a minute, as budgets are; the page updates itself
        await().atMost(Duration.ofMinutes(3))
                .untilAsserted(() -> assertThat(browser.driver().getTitle()).startsWith("(2) Now – "));

        assertThat(browser.text())
                .contains("12 certificates wait for a review: " + SHARD + " 12", "This log began at ")
                .contains("An error budget is used fast: 12 of 60 certificates were escalated or rejected");
        Client.awaitUntil(
                () -> browser.find("link[rel=icon]").getAttribute("href").contains("%23b3261e"));
        assertThat(browser.errors()).isEmpty();
    }

    @ParameterizedTest
    @ValueSource(ints = {Browser.NARROW, Browser.WIDE})
    @Tag("thorough")
    void openPage_followsTheBackend_movesNothing_andReportsItsEnd(int width) throws Exception {
        browser.width(width);
        browser.zone("Asia/Tokyo");
        try (ServedBackend backend = start(directory, Map.of())) {
            Client client = new Client(backend.url());
            submit(client, SHARD, 1, 99);
            submit(client, "live", 1_001, 1_100);
            int next = 1_101;
            for (String view : List.of("/shards", "/agents", "/outcomes?shard=live")) {
                open(backend, view);
                // what moves while the page is loading belongs to no update
                browser.run("return new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))");
                browser.run("""
                        window.shifts = [];
                        const name = (source) => source.node?.nodeName + ' ' + source.node?.textContent;
                        new PerformanceObserver((list) => list.getEntries()
                            .forEach((each) => shifts.push(each.value + ': ' + each.sources.map(name))))
                            .observe({ type: 'layout-shift' });
                        document.addEventListener('htmx:afterSettle', () => { window.isUpdated = true; });
                        """);
                List<?> before = boxes();

                submit(client, "live", next, next);
                next++;

                Client.awaitUntil(() -> Boolean.TRUE.equals(browser.run("return window.isUpdated === true")));
                assertThat(boxes()).as(view).isEqualTo(before);
                assertThat((List<?>) browser.run("return new Promise((done) => requestAnimationFrame("
                                + "() => requestAnimationFrame(() => done(window.shifts))))"))
                        .as(view)
                        .isEmpty();
            }
            await().untilAsserted(() -> assertThat(browser.run("return document.querySelector('tbody').innerText"))
                    .asString()
                    .contains("1103"));
            assertThat(browser.run("return document.querySelector('time').textContent")
                            .toString())
                    .matches("[-0-9]{10} [:0-9]{8}");
            assertThat(browser.find("#stale").isDisplayed()).isFalse();
            assertThat(browser.errors()).isEmpty();
        }
        Client.awaitUntil(() -> browser.find("#stale").isDisplayed());
    }

    private static List<?> boxes() {
        return (List<?>) browser.run("""
                return [...document.querySelectorAll('body > header *, h1, h2, form, figure, nav, thead th, .wide')]
                    .map((each) => [each.tagName, // the ticks of a plot follow its data
                        each.matches('figure') ? '' : each.textContent.slice(0, 20).replace(/\\d/g, '0'),
                        ...['x', 'y', 'width'].map((side) => each.getBoundingClientRect()[side])].join(' '));
                """);
    }

    @Test
    @Tag("thorough")
    void plot_zoomsByDragging_andItsPointsOpenCertificates() {
        open(withData, "/outcomes?shard=" + SHARD);
        // an update may replace the plot while the pointer moves
        await().ignoreExceptions().until(() -> {
            new Actions(browser.driver())
                    .moveToElement(browser.find("figure[data-zoom] a[href$='" + wrong() + "'] circle:last-of-type"))
                    .click()
                    .perform();
            return browser.driver().getCurrentUrl().contains("/ui/certificate?id=");
        });

        open(withData, "/outcomes?from=2020-01-01T00:00:00Z&to=2040-01-01T00:00:00Z");
        WebElement bars = browser.find("figure[data-zoom] svg");
        Dimension size = bars.getSize();
        new Actions(browser.driver())
                .moveToElement(bars, -size.width / 4, 0)
                .clickAndHold()
                .moveToElement(bars, size.width / 4, 0)
                .release()
                .perform();
        Client.awaitUntil(() -> browser.driver().getCurrentUrl().contains("clock=received&from=2024"));
        browser.driver().findElement(By.linkText("zoom out")).click();
        browser.awaitText(OUTCOMES + " certificates that arrived from");
        assertThat(browser.errors()).isEmpty();
    }

    @Test
    @Tag("thorough")
    void copyButton_copies_orSelectsTheTextWhereTheBrowserForbidsIt() {
        open(withData, "/certificate?id=" + wrong());
        browser.run("window.copied = []; Object.defineProperty(navigator, 'clipboard', { configurable: true, value:"
                + " { writeText: async (text) => { copied.push(text); } } })");
        List<WebElement> buttons = browser.driver().findElements(By.cssSelector("button.copy"));
        List<String> texts = List.of(
                wrong(),
                "flk backend wal cat --id " + wrong()
                        + " --kind submission --json --body | jq -r .body | flk backend explain -");

        buttons.forEach(WebElement::click);

        Client.awaitUntil(
                () -> browser.find("#said").getAttribute("textContent").equals("Copied"));
        assertThat((List<?>) browser.run("return copied")).isEqualTo(texts);
        // as on a page that came over plain HTTP
        browser.run("Object.defineProperty(navigator, 'clipboard', { value: undefined });"
                + " document.execCommand = () => false;");
        buttons.get(1).click();
        Client.awaitUntil(
                () -> browser.find("#said").getAttribute("textContent").equals("Selected"));
        assertThat(browser.run("return document.getSelection().toString()")).isEqualTo(texts.get(1));
        assertThat(browser.errors()).isEmpty();
    }

    @Test
    @Tag("thorough")
    void hostileText_neverBecomesMarkup() throws Exception {
        try (ServedBackend backend = start(directory, Map.of())) {
            Set<String> plain = markup(backend, "plain", 0);
            for (String text : HOSTILE_TEXTS) {
                assertThat(markup(backend, text, 1 + HOSTILE_TEXTS.indexOf(text)))
                        .as(text)
                        .isSubsetOf(plain);
            }
            // the console also reports the answers 400 and 404 to queries with these texts
            assertThat(browser.errors()).noneMatch(error -> error.contains("Content Security Policy"));
        }
    }

    /**
     * Puts a text into each field of a certificate, report, review or query that can hold it, and opens each view that
     * shows the text. Returns the names of all elements, each with its attribute names and the start of each URL that
     * it refers to.
     */
    private static Set<String> markup(ServedBackend backend, String text, int number) throws Exception {
        Client client = new Client(backend.url());
        String quoted = TextNode.valueOf(text).toString();
        String agent = "agent-" + number;
        Pcs wrong = pcs(5, text).with("extra", "{" + quoted + ":" + quoted + "}");
        for (Pcs each : List.of(pcs(4, text), wrong, pcs(6, text), pcs(10, text))) {
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
                                        + wrong.id()
                                        + "\"],\"verdict\":\"fault\",\"note\":" + quoted + ",\"author\":" + author
                                        + "}")))
                        .status())
                .isEqualTo(200);
        Stream<String> explored = Stream.of(
                        "clock", "from", "verdict", "regime", "shard", "agent", "key", "reason", "id", "cursor", query)
                .map(name -> "/outcomes?" + name + "=" + query);
        Stream<String> others = Stream.of(
                "/agents",
                "/agents?prefix=" + query,
                "/outcomes",
                "/shards",
                "/shards?prefix=" + query + "&text=" + query + "&verdict=" + query,
                "/certificate?id=" + wrong.id(),
                "/review",
                "/review?show=reviewed",
                "/review?id=" + wrong.id(),
                "/search?q=" + query,
                "/search?q=" + query + "x");
        Stream.concat(explored, others).forEach(view -> found.addAll(elements(backend, view)));
        return found;
    }

    private static Set<String> elements(ServedBackend backend, String view) {
        open(backend, view);
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
}
