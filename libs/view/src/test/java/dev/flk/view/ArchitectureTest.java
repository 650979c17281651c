// SPDX-License-Identifier: Apache-2.0
package dev.flk.view;

import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.classes;

import com.tngtech.archunit.core.importer.ClassFileImporter;
import com.tngtech.archunit.core.importer.ImportOption;
import java.util.List;
import org.junit.jupiter.api.Test;

/** Tests of the permitted dependencies of the module. */
class ArchitectureTest {
    @Test
    void view_dependsOnTheLogAndRocksDbOnly() {
        classes()
                .should()
                .onlyDependOnClassesThat()
                .resideInAnyPackage(
                        "dev.flk.view..", "dev.flk.wal..", "org.rocksdb..", "java..", "org.jspecify..", "org.slf4j..")
                .check(new ClassFileImporter(List.of(new ImportOption.DoNotIncludeTests()))
                        .importPackages("dev.flk.view"));
    }
}
