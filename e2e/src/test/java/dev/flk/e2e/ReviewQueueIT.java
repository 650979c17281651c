// SPDX-License-Identifier: Apache-2.0
package dev.flk.e2e;

import static org.assertj.core.api.Assertions.assertThat;

import dev.flk.sample.Pcs;
import dev.flk.testkit.PostgresServer;
import java.net.http.HttpRequest.BodyPublishers;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.openqa.selenium.By;
import org.openqa.selenium.Keys;
import org.openqa.selenium.OutputType;
import org.openqa.selenium.interactions.Actions;

/** Tests of the view <i>Review</i> in a real browser. */
final class ReviewQueueIT {
    private static final String HOSTILE = "<img src=x onerror=document.title='hacked'>\"'&</script><b>";
    private static final Map<String, String> STATE = Map.of("STATE_PORT", "0");

    /** Whether to write screenshots to target/page for visual inspection. */
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
        browser.width(Browser.WIDE);
        browser.theme("light");
    }

    /** Submits certificates that are escalated, because they claim another regime than the expected one. */
    private static void escalate(Client client, String shard, int from, int to) throws Exception {
        for (int i = from; i <= to; i++) {
            assertThat(client.submit(wrong(i, shard)).status()).isEqualTo(202);
        }
        client.awaitNothingPending();
        Client.awaitUntil(() -> client.metric("flk_record_lag_records") == 0);
    }

    private static Pcs wrong(int number, String shard) {
        return Pcs.number(number).ofShard(shard).with("regime", "\"non_sticky\"");
    }

    private static String id(int number, String shard) {
        return wrong(number, shard).id().toString();
    }

    private static void press(CharSequence... keys) {
        new Actions(browser.driver()).sendKeys(keys).perform();
    }

    /** Presses a key that opens another page, and waits for that page. */
    private static void go(CharSequence key) {
        browser.run("document.documentElement.dataset.old = 'true'");
        press(key);
        Client.awaitUntil(() -> Boolean.TRUE.equals(
                browser.run("return !document.documentElement.dataset.old && document.readyState === 'complete'")));
    }

    private static String shown() {
        return browser.find(".decide [name=id]").getDomAttribute("value");
    }

    private static String value(String css) {
        return String.valueOf(browser.find(css).getDomProperty("value"));
    }

    private static void open(ServedBackend backend, String query) {
        browser.open(backend.url() + "/ui/review" + query);
    }

    private static List<String> reviewed(Client client) throws Exception {
        return client.get("/v1/reviews?state=reviewed").body().lines().toList();
    }

    @Test
    void keyboard_reviewsTwentyCertificates_withANoteAndAName() throws Exception {
        try (ServedBackend backend = BackendInJvm.start(directory, STATE)) {
            Client client = new Client(backend.url());
            escalate(client, "pump-1", 1, 12);
            escalate(client, "pump-2", 13, 20);
            open(backend, "");
            assertThat(browser.text()).contains("20 certificates wait for a review.", "1 of 12");
            press("n");
            press("worn by f, i and j", Keys.TAB, "anna", Keys.ESCAPE);
            Set<String> ids = new HashSet<>();
            List<String> keys = List.of("f", "i", "u", "e");

            for (int i = 0; i < 20; i++) {
                assertThat(ids.add(shown())).isTrue();
                go(keys.get(i % 4));
                assertThat(browser.text()).contains("1 certificate was reviewed as ");
            }

            assertThat(browser.text()).contains("No certificate waits for a review.");
            assertThat(reviewed(client))
                    .hasSize(20)
                    .allMatch(line -> line.contains("\"author\":\"anna\""))
                    .filteredOn(line -> line.contains("\"note\":\"worn by f, i and j\""))
                    .hasSize(1);
            for (String verdict : List.of("fault", "ignore", "unclear", "expected")) {
                assertThat(reviewed(client))
                        .filteredOn(line -> line.contains("\"verdict\":\"" + verdict + "\""))
                        .hasSize(5);
            }
            assertThat(browser.errors()).isEmpty();
        }
    }

    @Test
    void keys_moveThroughAllGroups_andDoNothingWhileTyping() throws Exception {
        try (ServedBackend backend = BackendInJvm.start(directory, STATE)) {
            Client client = new Client(backend.url());
            escalate(client, "pump-1", 1, 2);
            escalate(client, "pump-2", 3, 3);
            open(backend, "");
            assertThat(shown()).isEqualTo(id(2, "pump-1"));
            go("j");
            assertThat(shown()).isEqualTo(id(1, "pump-1"));
            go("j");
            assertThat(shown()).isEqualTo(id(3, "pump-2"));
            String last = browser.driver().getCurrentUrl();
            press("j");
            for (Keys held : List.of(Keys.CONTROL, Keys.ALT, Keys.META)) {
                new Actions(browser.driver())
                        .keyDown(held)
                        .sendKeys("i")
                        .keyUp(held)
                        .perform();
            }
            press("n");
            press("fiuejkz?/n");
            press(Keys.ENTER);
            browser.find("main select[name=verdict]").sendKeys("j");
            browser.find(".search input").sendKeys("f");
            assertThat(browser.driver().getCurrentUrl()).isEqualTo(last);
            assertThat(value(".decide [name=note]")).isEqualTo("fiuejkz?/n");
            assertThat(browser.find("dialog").isDisplayed()).isFalse();
            assertThat(reviewed(client)).isEmpty();

            press(Keys.ESCAPE);
            press("?");
            assertThat(browser.find("dialog").isDisplayed()).isTrue();
            browser.requireSound();
            press("f");
            assertThat(reviewed(client)).isEmpty();
            press(Keys.ESCAPE);
            press("/");
            assertThat(browser.driver().switchTo().activeElement().getDomAttribute("name"))
                    .isEqualTo("q");
            press(Keys.ESCAPE);
            go("k");
            assertThat(shown()).isEqualTo(id(1, "pump-1"));
            assertThat(value(".decide [name=note]")).isEmpty();
            go("j");
            assertThat(value(".decide [name=note]")).isEqualTo("fiuejkz?/n");
            assertThat(browser.errors()).isEmpty();
        }
    }

    @Test
    void undo_takesBackOneReviewAndAGroup() throws Exception {
        try (ServedBackend backend = BackendInJvm.start(directory, STATE)) {
            Client client = new Client(backend.url());
            escalate(client, "pump-1", 1, 5);
            open(backend, "");
            String first = shown();
            go("f");
            assertThat(browser.text()).contains("1 certificate was reviewed as fault.");
            go("z");
            assertThat(browser.text()).contains("1 review was withdrawn.", "5 certificates wait for a review.");
            assertThat(shown()).isEqualTo(first);

            browser.find(".group option[value=ignore]").click();
            assertThat(browser.find(".group button").getText()).isEqualTo("Review all 5");
            browser.find(".group button").click();
            browser.awaitText("5 certificates were reviewed as ignore.");
            assertThat(browser.text()).contains("No certificate waits for a review.");
            client.send(client.request("/v1/reviews")
                    .PUT(BodyPublishers.ofString(
                            "{\"ids\":[\"" + first + "\"],\"verdict\":\"fault\",\"author\":\"ben\"}")));
            go("z");
            assertThat(browser.text())
                    .contains(
                            "4 reviews were withdrawn. 1 left out, which others changed or withdrew meanwhile.",
                            "4 certificates wait for a review.");
            assertThat(reviewed(client)).singleElement().asString().contains(first, "fault", "ben");
            assertThat(browser.errors()).isEmpty();
        }
    }

    @Test
    void note_remains_untilItWasRecorded() throws Exception {
        try (ServedBackend backend = BackendInJvm.start(directory, STATE)) {
            Client client = new Client(backend.url());
            escalate(client, "pump-1", 1, 3);
            open(backend, "");
            String first = shown();
            press("n");
            press("of the first", Keys.ESCAPE);
            go("f");
            assertThat(browser.text()).contains("1 certificate was reviewed as fault.");
            String next = browser.driver().getCurrentUrl();
            assertThat(next).contains("&id=" + shown()).doesNotContain("done=", "reviewed", "left_out");
            press("n");
            press("of the second", Keys.ESCAPE);
            browser.run("document.querySelector('.decide').action = '/ui/unknown'"); // answers without the script
            go("i");

            browser.open(next + "&done=1&left_out=0&reviewed_at=2026-01-01T00:00:00Z&reviewed=" + first);

            assertThat(browser.text()).contains("1 certificate was reviewed");
            assertThat(browser.driver().getCurrentUrl()).doesNotContain("done=");
            assertThat(value(".decide [name=note]")).isEqualTo("of the second");
            go("i");
            assertThat(reviewed(client)).hasSize(2).anyMatch(line -> line.contains("of the second"));
            go("z");
            assertThat(value(".decide [name=note]")).isEmpty();
            assertThat(browser.driver().getCurrentUrl()).doesNotContain("withdrawn");
            open(backend, "?id=" + first);
            assertThat(value(".decide [name=note]")).isEmpty();
        }
    }

    @Test
    void secondReviewer_seesWhoWasFirst_andKeepsTheNote() throws Exception {
        try (ServedBackend backend = BackendInJvm.start(directory, STATE)) {
            Client client = new Client(backend.url());
            escalate(client, "pump-1", 1, 1);
            open(backend, "?id=" + id(1, "pump-1").substring(0, 12));
            client.send(client.request("/v1/reviews")
                    .PUT(BodyPublishers.ofString("{\"ids\":[\"" + id(1, "pump-1")
                            + "\"],\"verdict\":\"fault\",\"note\":\"oil\",\"author\":\"anna\"}")));
            press("n");
            press("noise", Keys.TAB, "ben", Keys.ESCAPE);
            go("i");

            assertThat(browser.text())
                    .containsPattern("Nothing was reviewed: .* anna reviewed it as fault at .* \\(version 1\\)\\.")
                    .contains("fault: oil – anna");
            assertThat(value(".decide [name=note]")).isEqualTo("noise");
            assertThat(value(".decide [name=author]")).isEqualTo("ben");
            go("i");
            assertThat(browser.text()).contains("1 certificate was reviewed as ignore.");
            assertThat(reviewed(client)).singleElement().asString().contains("noise", "ben", "\"version\":2");
            // the console reports the answer 412
            assertThat(browser.errors()).allMatch(error -> error.contains("412"));
        }
    }

    @Test
    void link_ofAColleague_showsTheSameCertificate_andReviewedOnesAreListed() throws Exception {
        try (ServedBackend backend = BackendInJvm.start(directory, STATE)) {
            Client client = new Client(backend.url());
            escalate(client, "pump-1", 1, 3);
            open(backend, "");
            go("j");
            String link = browser.driver()
                    .findElement(By.linkText("Link to this review"))
                    .getDomProperty("href");
            String id = shown();
            go("f");
            assertThat(shown()).isNotEqualTo(id);

            browser.open(link);

            assertThat(shown()).isEqualTo(id);
            assertThat(link).contains("shard=pump-1&reason=regime%20mismatch&id=" + id);
            assertThat(browser.text()).contains("fault – local");
            browser.driver().findElement(By.linkText("Reviewed")).click();
            browser.awaitText("Reviews 1 to 1 of 1");
            browser.requireSound();
            browser.driver().findElement(By.linkText(id.substring(0, 12))).click();
            browser.awaitText("regime mismatch");
            assertThat(shown()).isEqualTo(id);
            assertThat(browser.errors()).isEmpty();
        }
    }

    @Test
    void hostileText_isInert_andTheViewFits() throws Exception {
        try (ServedBackend backend = BackendInJvm.start(directory, STATE)) {
            Client client = new Client(backend.url());
            String shard = HOSTILE + "x".repeat(60);
            escalate(client, shard, 1, 3);
            escalate(client, "pump-2", 4, 4);
            for (int width : List.of(Browser.NARROW, Browser.WIDE)) {
                for (String theme : List.of("dark", "light")) {
                    browser.width(width);
                    browser.theme(theme);
                    open(backend, "");
                    browser.requireSound();
                    shoot("review-" + width + "-" + theme);
                    open(backend, "?show=reviewed");
                    browser.requireSound();
                }
            }
            open(backend, "?id=" + id(2, shard));
            press("n");
            press(HOSTILE, Keys.TAB, HOSTILE, Keys.ESCAPE);
            go("f");
            assertThat(browser.driver().getTitle()).startsWith("Review");
            assertThat(browser.text()).contains(HOSTILE + " – " + HOSTILE);
            assertThat(browser.find("main").findElements(By.cssSelector("img, b")))
                    .isEmpty();
            for (int width : List.of(Browser.NARROW, Browser.WIDE)) {
                browser.width(width);
                browser.requireSound();
                open(backend, "?show=reviewed");
                assertThat(browser.text()).contains(HOSTILE);
                browser.requireSound();
                shoot("reviewed-" + width);
                open(backend, "?id=" + id(2, shard));
                browser.requireSound();
            }
        }
    }

    /** Writes a screenshot to target/page. */
    private static void shoot(String name) throws Exception {
        if (SCREENSHOTS) {
            Path pictures = Files.createDirectories(Path.of("target", "page"));
            Files.write(pictures.resolve(name + ".png"), browser.driver().getScreenshotAs(OutputType.BYTES));
        }
    }

    @Test
    void withoutScript_linksAndFormsDoTheSame() throws Exception {
        try (ServedBackend backend = BackendInJvm.start(directory, STATE)) {
            Client client = new Client(backend.url());
            escalate(client, "pump-1", 1, 2);
            browser.driver().executeCdpCommand("Emulation.setScriptExecutionDisabled", Map.of("value", true));
            try {
                open(backend, "");
                browser.driver().findElement(By.partialLinkText("Next")).click();
                browser.awaitText("2 of 2");
                assertThat(shown()).isEqualTo(id(1, "pump-1"));
                browser.find(".decide [name=note]").sendKeys("worn");
                browser.find(".decide button[value=fault]").click();
                browser.awaitText("1 certificate was reviewed as fault.");
                browser.find(".undo button").click();
                browser.awaitText("1 review was withdrawn.");
            } finally {
                browser.driver().executeCdpCommand("Emulation.setScriptExecutionDisabled", Map.of("value", false));
            }
            assertThat(browser.errors()).isEmpty();
        }
    }

    @Test
    @Tag("thorough")
    void stateDown_nothingIsReviewed_andTheNoteIsKept() throws Exception {
        try (PostgresServer postgres = PostgresServer.startWithScram()) {
            Map<String, String> settings = new HashMap<>(postgres.configuration());
            settings.putAll(Map.of("DEDUP_BACKEND", "embedded", "STATE_ENGINE", "postgres", "STATE_PORT", "0"));
            try (ServedBackend backend = BackendInJvm.start(directory, settings)) {
                Client client = new Client(backend.url());
                escalate(client, "pump-1", 1, 1);
                open(backend, "");
                press("n");
                press("a long note", Keys.TAB, "anna", Keys.ESCAPE);
                postgres.kill();
                go("f");
                browser.awaitText("Nothing was reviewed: ");
                assertThat(value(".decide [name=note]")).isEqualTo("a long note");
                assertThat(value(".decide [name=author]")).isEqualTo("anna");
                browser.run("location.assign('/ui/review')");
                browser.awaitText("can't be read now");

                postgres.restart();
                Client.awaitUntil(() -> client.get("/ui/review").status() == 200);
                open(backend, "");
                assertThat(value(".decide [name=note]")).isEqualTo("a long note");
                go("f");
                assertThat(browser.text()).contains("1 certificate was reviewed as fault.");
                assertThat(reviewed(client)).singleElement().asString().contains("a long note", "anna");
            }
        }
    }
}
