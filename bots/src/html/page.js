// Puts the page together.

const data = JSON.parse(document.getElementById("data").textContent);
const { report } = data;
if (report.scenario) document.title = `${report.scenario} · ${document.title}`;
document.getElementById("head").append(...head(data).filter(Boolean));
const parts = [tiles(report), gates(report), reasons(report), hostileSection(report), budgetSection(report), distributions(report), timeSection(report), phases(report), groups(report), outliers(report), bytesSection(report)];
document.getElementById("main").append(...parts.filter(Boolean));
document.body.append(el("footer", {}, `Schema ${report.schema}. All figures are about the ${report.measured_seconds.toFixed(1)} s that were measured, after a warm-up; times are those of ${whole(report.clients.connected)} clients. docs/report.md says what each is.`));
