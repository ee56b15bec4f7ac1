/** The reference page's style sheet. Its hash stands in the page's Content-Security-Policy. */
export const DOCS_STYLE = `
:root{--bg:#fff;--fg:#1c2330;--dim:#5c6675;--line:#dfe3ea;--card:#f7f8fa;--link:#0b5bd3;
--get:#0a6b3b;--post:#0b5bd3;--put:#8a4b00;--patch:#6b3fb5;--delete:#b3261e}
@media (prefers-color-scheme:dark){:root{--bg:#12151b;--fg:#e4e8ef;--dim:#9aa5b5;--line:#2b323d;--card:#191e26;
--link:#7db2ff;--get:#5fd39a;--post:#7db2ff;--put:#f0b35f;--patch:#c3a3ff;--delete:#ff8f87}}
*{box-sizing:border-box}
html{scroll-behavior:smooth;scroll-padding-top:1rem}
body{margin:0;display:grid;grid-template-columns:17rem minmax(0,1fr);background:var(--bg);color:var(--fg);
font:16px/1.55 system-ui,sans-serif}
a{color:var(--link);text-decoration:none}a:hover{text-decoration:underline}
nav{position:sticky;top:0;height:100vh;overflow-y:auto;padding:1.25rem;border-right:1px solid var(--line);font-size:.875rem}
nav ul{list-style:none;margin:0 0 1rem;padding:0}nav li a{display:block;padding:.2rem 0;color:var(--fg)}
.brand{margin:0 0 1.25rem;font-size:1.125rem;font-weight:700}.brand a{color:inherit}
.tag{margin:0 0 .25rem;color:var(--dim);font-weight:600;text-transform:capitalize}
main{max-width:56rem;padding:1.5rem 2.5rem 6rem}
h1{margin:.25rem 0 .5rem;font-size:2rem}h2{margin:3rem 0 .25rem;font-size:1.375rem;text-transform:capitalize}
h3{margin:0 0 .5rem;font-size:1rem;font-weight:500;display:flex;flex-wrap:wrap;gap:.5rem;align-items:baseline}
h3 span{color:var(--dim)}
.lead{font-size:1.0625rem;color:var(--dim)}
article{margin:1rem 0;padding:1rem 1.25rem;border:1px solid var(--line);border-radius:.6rem;background:var(--card)}
article p{margin:.4rem 0}
code,pre{font:.875em/1.5 ui-monospace,SFMono-Regular,Menlo,monospace}
pre{margin:.75rem 0 0;padding:.75rem 1rem;overflow-x:auto;border:1px solid var(--line);border-radius:.4rem;background:var(--bg)}
summary{padding:.25rem 0;cursor:pointer;color:var(--link)}
table{width:100%;border-collapse:collapse;font-size:.9rem}
th,td{padding:.35rem .75rem .35rem 0;border-bottom:1px solid var(--line);text-align:left;vertical-align:top}
.fields{margin:.25rem 0;padding-left:1.1rem;font-size:.9rem}.fields li{margin:.2rem 0}
i{color:var(--dim);font-style:normal}em{color:var(--delete);font-style:normal;font-size:.8em}
dl{display:grid;grid-template-columns:3.5rem 1fr;gap:.25rem;margin:.25rem 0;font-size:.9rem}dt{font-weight:600}dd{margin:0}
b.get,b.post,b.put,b.patch,b.delete{font:700 .75rem ui-monospace,monospace}
.get{color:var(--get)}.post{color:var(--post)}.put{color:var(--put)}.patch{color:var(--patch)}.delete{color:var(--delete)}
@media (max-width:52rem){body{display:block}nav{position:static;height:auto;border:0;border-bottom:1px solid var(--line)}
main{padding:1rem 1.25rem 4rem}}
`;
