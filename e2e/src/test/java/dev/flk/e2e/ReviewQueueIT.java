// SPDX-License-Identifier: Apache-2.0
package dev.flk.e2e;

import static org.assertj.core.api.Assertions.assertThat;

import dev.flk.sample.Pcs;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.openqa.selenium.Keys;
import org.openqa.selenium.interactions.Actions;

/** Tests of the script of the view <i>Review</i> in a real browser: the keys, and what the browser remembers. */
@Tag("thorough")
final class ReviewQueueIT {
    private static Browser browser;

    @TempDir
    private Path directory;

    private ServedBackend backend;
    private Client client;

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
    void start() {
        backend = BackendInJvm.start(directory);
        client = new Client(backend.url());
        browser.width(Browser.WIDE);
    }

    @AfterEach
    void stop() {
        backend.close();
    }

    /** Submits certificates that are escalated, because they claim another regime than the expected one. */
    private void escalate(String shard, int from, int to) throws Exception {
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

    private static String note() {
        return String.valueOf(browser.find(".decide [name=note]").getDomProperty("value"));
    }

    private void open(String query) {
        browser.open(backend.url() + "/ui/review" + query);
    }

    private List<String> reviewed() throws Exception {
        return client.get("/v1/reviews?state=reviewed").body().lines().toList();
    }

    @Test
    void reviewer_reviewsTheQueueByKeyboard_andEachNoteRemainsUntilItWasRecorded() throws Exception {
        escalate("pump-1", 1, 3);
        escalate("pump-2", 4, 6);
        open("");
        String first = shown();
        press("n");
        press("of the first", Keys.TAB, "anna", Keys.ESCAPE);
        go("f");
        assertThat(browser.text()).contains("1 certificate was reviewed as fault.", "You are anna.");
        String second = shown();
        String address = browser.driver().getCurrentUrl();
        assertThat(address).contains("&id=" + second).doesNotContain("done=", "reviewed", "left_out");
        press("n");
        press("of the second", Keys.ESCAPE);
        browser.run("document.querySelector('.decide').action = '/unknown'"); // answers without the script
        go("i");
        // the console reports the answer 404
        assertThat(browser.errors()).allMatch(error -> error.contains("404"));

        browser.open(address + "&done=1&left_out=0&reviewed_at=2026-01-01T00:00:00Z&reviewed=" + first);

        assertThat(browser.driver().getCurrentUrl()).doesNotContain("done=");
        assertThat(note()).isEqualTo("of the second");
        go("i");
        go("z");
        assertThat(shown()).isEqualTo(second);
        assertThat(note()).isEmpty();
        assertThat(browser.driver().getCurrentUrl()).doesNotContain("withdrawn");
        for (String key : List.of("i", "u", "e", "u", "i")) {
            go(key);
            assertThat(browser.text()).contains("1 certificate was reviewed as ");
        }
        assertThat(browser.text()).contains("No certificate waits for a review.");
        assertThat(reviewed())
                .hasSize(6)
                .allMatch(line -> line.contains("\"author\":\"anna\""))
                .anyMatch(line -> line.contains(first) && line.contains("fault") && line.contains("of the first"))
                .noneMatch(line -> line.contains("of the second"));
        for (String verdict : List.of("ignore", "unclear")) {
            assertThat(reviewed())
                    .filteredOn(line -> line.contains("\"verdict\":\"" + verdict + "\""))
                    .hasSize(2);
        }
        open("?id=" + first);
        assertThat(note()).isEmpty();
        assertThat(browser.errors()).isEmpty();
    }

    @Test
    void keys_moveThroughAllGroups_andDoNothingWhileTyping() throws Exception {
        escalate("pump-1", 1, 2);
        escalate("pump-2", 3, 3);
        open("");
        assertThat(shown()).isEqualTo(id(2, "pump-1"));
        browser.run("localStorage.clear()");
        open("");
        press("f");
        assertThat(browser.driver().switchTo().activeElement().getDomAttribute("name"))
                .as("a review needs a name")
                .isEqualTo("author");
        press(Keys.ESCAPE);
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
        browser.find(".search input").sendKeys("f");
        assertThat(browser.driver().getCurrentUrl()).isEqualTo(last);
        assertThat(browser.find("dialog").isDisplayed()).isFalse();
        assertThat(reviewed()).isEmpty();

        press(Keys.ESCAPE);
        press("?");
        assertThat(browser.find("dialog").isDisplayed()).isTrue();
        browser.requireSound();
        press("f");
        assertThat(reviewed()).isEmpty();
        press(Keys.ESCAPE);
        press("/");
        assertThat(browser.driver().switchTo().activeElement().getDomAttribute("name"))
                .isEqualTo("q");
        press(Keys.ESCAPE);
        go("k");
        assertThat(shown()).isEqualTo(id(1, "pump-1"));
        assertThat(note()).isEmpty();
        go("j");
        assertThat(note()).isEqualTo("fiuejkz?/n");
        assertThat(browser.errors()).isEmpty();
    }
}
