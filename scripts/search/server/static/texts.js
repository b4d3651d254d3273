/** All words of the page in both languages, and how numbers, times and sizes are written in them. */

import { remember, remembered } from "./settings.js";

export const TEXTS = {
  en: {
    title: "Polymill search",
    skip: "To the results",
    other_language: "中文",
    views: "Views",
    view_search: "Search",
    view_duplicates: "Duplicates",
    view_failures: "Failed files",
    view_hidden: "Hidden",
    login: "Log in",
    logout: "Log out",
    password: "Password",
    login_refused: "That is not the password.",
    search: "Search",
    query_label: "What is in the picture or video",
    query_placeholder: "a cat on a sofa, 海边日落 …",
    query_hint: "Chinese or English. Or paste a picture, drop one here, or choose a file.",
    picture_choose: "Search with a picture from this device",
    picture_remove: "Remove the picture from the search",
    drop: "Drop the picture to search with it",
    not_a_picture: "“{name}” is not a picture.",
    picture_too_large: "“{name}” is {size}; a picture may have at most {most}.",
    kind: "Kind",
    kind_all: "All",
    kind_image: "Pictures",
    kind_video: "Videos",
    filters: "Filters",
    filters_clear: "Clear filters",
    neg: "Not like this",
    neg_placeholder: "rain, 黑白照片 …",
    neg_hint: "Leaves out what is nearer to these words than to the search.",
    path: "Path contains",
    path_placeholder: "holidays/2026",
    from: "Changed from",
    to: "until",
    tag: "Tag",
    any_tag: "any",
    min_score: "Lowest score",
    off: "off",
    min_score_hint: "A cosine, from −1 to 1, on this model's own scale.",
    min_score_calibrated: "On this model's scale, 95 % of matching pairs score {score} or more.",
    min_score_use: "Use {score}",
    status: "State of the index",
    answered_by: "Answers: {encoder}, {model}",
    assets: "{pictures} pictures, {videos} videos",
    "vectors.one": "{n} vector",
    "vectors.other": "{n} vectors",
    indexed_at: "indexed {date}",
    scan: "Scan folders",
    scan_running: "Indexing",
    scan_progress: "Indexing: {done} of {total}",
    "scan_left": "about {time} left",
    scan_done: "The scan is done.",
    scan_failed: "The scan failed: {message}",
    renewed: "The index has changed: show new results",
    searching: "Searching …",
    "results.one": "{n} result",
    "results.other": "{n} results",
    "newest.one": "{n} file, newest first",
    "newest.other": "{n} files, newest first",
    took: "{ms} ms",
    page_of: "page {page} of {pages}",
    copy_all: "Copy all paths",
    "copied.one": "Copied {n} path.",
    "copied.other": "Copied {n} paths.",
    copy_refused: "The browser does not let this page copy. The path is: {path}",
    picture_size: "Size",
    size_small: "small",
    size_medium: "medium",
    size_large: "large",
    page_size: "On a page",
    pages: "Pages",
    previous_page: "Previous page",
    next_page: "Next page",
    page: "Page {page}",
    no_hits: "Nothing found",
    no_hits_why: "Nothing in the index passes all of these. Other words may, or fewer filters.",
    no_hits_browse: "Show all files",
    loading: "The model is being loaded",
    loading_why: "The first start takes some seconds. Your search runs as soon as it is there.",
    empty: "The index is empty",
    empty_why: "Name your folders under search.datasets in config/config.yaml, then press “Scan folders”, or run:",
    failed: "Something is wrong",
    unreachable: "The server does not answer. Is it still running?",
    again: "Try again",
    image: "picture",
    video: "video",
    similar: "More like this",
    similar_to: "More like {name}",
    similar_frame: "More like this frame",
    similar_frame_of: "{name}, at {time}",
    copy: "Copy path",
    copy_of: "Copy the path of {name}",
    close: "Close",
    previous: "Previous",
    next: "Next",
    zoom: "Real size",
    original: "Open original",
    download_clip: "Save this clip",
    hide: "Hide",
    hide_hint: "Takes it out of all results. The file stays where it is.",
    restore: "Restore",
    hidden_done: "“{name}” is hidden.",
    restored_done: "“{name}” is back.",
    undo: "Undo",
    tags: "Tags",
    tag_add: "Add a tag",
    tag_add_button: "Add",
    tag_remove: "Remove the tag {tag}",
    moments: "Moments",
    moment: "{start} to {end}, score {score}",
    folder_path: "Path",
    size: "Size",
    dimensions: "Width × height",
    duration: "Length",
    changed: "Changed",
    score_name: "Score (cosine)",
    clip_shown: "This browser does not play the file itself. Shown: {start} to {end}, converted.",
    clip_earlier: "Earlier",
    clip_later: "Later",
    cannot_show: "The file cannot be shown: {message}",
    duplicates_from: "Alike from",
    "groups.one": "{n} group of near-equal files",
    "groups.other": "{n} groups of near-equal files",
    "group.one": "{n} file",
    "group.other": "{n} files, alike to {score}",
    no_duplicates: "No near-equal files",
    no_duplicates_why: "No two files are that much alike. A lower number finds more.",
    "failures.one": "{n} file could not be indexed",
    "failures.other": "{n} files could not be indexed",
    no_failures: "No failed files",
    no_failures_why: "All files of the folders were indexed.",
    failure_path: "File",
    failure_error: "Error",
    failure_message: "What is wrong",
    "hidden.one": "{n} hidden file",
    "hidden.other": "{n} hidden files",
    no_hidden: "Nothing is hidden",
    no_hidden_why: "“Hide” in the view of a file takes it out of the results; it is then listed here.",
    on_this_device: "Phone page: the model runs in your browser",
    seconds: "{n} s",
    minutes: "{n} min",
    hours: "{n} h",
  },
  zh: {
    title: "Polymill 搜索",
    skip: "跳到结果",
    other_language: "English",
    views: "视图",
    view_search: "搜索",
    view_duplicates: "重复项",
    view_failures: "失败文件",
    view_hidden: "已隐藏",
    login: "登录",
    logout: "退出登录",
    password: "密码",
    login_refused: "密码不正确。",
    search: "搜索",
    query_label: "图片或视频里有什么",
    query_placeholder: "沙发上的猫，sunset by the sea …",
    query_hint: "中文或英文均可；也可以粘贴图片、拖入图片或选择文件。",
    picture_choose: "用本机图片搜索",
    picture_remove: "从搜索中移除图片",
    drop: "松开即可用这张图片搜索",
    not_a_picture: "“{name}”不是图片。",
    picture_too_large: "“{name}”为 {size}，图片最大 {most}。",
    kind: "类型",
    kind_all: "全部",
    kind_image: "图片",
    kind_video: "视频",
    filters: "筛选",
    filters_clear: "清除筛选",
    neg: "不要像这样",
    neg_placeholder: "雨天，black and white …",
    neg_hint: "排除更接近这些文字而不是搜索内容的结果。",
    path: "路径包含",
    path_placeholder: "旅行/2026",
    from: "修改日期从",
    to: "到",
    tag: "标签",
    any_tag: "不限",
    min_score: "最低分数",
    off: "关闭",
    min_score_hint: "余弦值，−1 到 1，以当前模型自身的尺度为准。",
    min_score_calibrated: "以当前模型的尺度，95% 的匹配图文对得分不低于 {score}。",
    min_score_use: "使用 {score}",
    status: "索引状态",
    answered_by: "应答：{encoder}，{model}",
    assets: "{pictures} 张图片，{videos} 个视频",
    vectors: "{n} 个向量",
    indexed_at: "索引于 {date}",
    scan: "扫描文件夹",
    scan_running: "正在索引",
    scan_progress: "正在索引：{done} / {total}",
    scan_left: "约剩 {time}",
    scan_done: "扫描完成。",
    scan_failed: "扫描失败：{message}",
    renewed: "索引已更新：显示新结果",
    searching: "正在搜索 …",
    results: "{n} 个结果",
    newest: "{n} 个文件，最新在前",
    took: "{ms} 毫秒",
    page_of: "第 {page} / {pages} 页",
    copy_all: "复制全部路径",
    copied: "已复制 {n} 个路径。",
    copy_refused: "浏览器不允许本页复制。路径为：{path}",
    picture_size: "大小",
    size_small: "小",
    size_medium: "中",
    size_large: "大",
    page_size: "每页",
    pages: "页码",
    previous_page: "上一页",
    next_page: "下一页",
    page: "第 {page} 页",
    no_hits: "没有找到",
    no_hits_why: "索引中没有同时符合这些条件的内容。请换个说法，或减少筛选条件。",
    no_hits_browse: "显示全部文件",
    loading: "正在加载模型",
    loading_why: "首次启动需要几秒钟。加载完成后会立即执行您的搜索。",
    empty: "索引为空",
    empty_why: "请在 config/config.yaml 的 search.datasets 下写明文件夹，然后点击“扫描文件夹”，或运行：",
    failed: "出错了",
    unreachable: "服务器没有响应。它还在运行吗？",
    again: "重试",
    image: "图片",
    video: "视频",
    similar: "找相似",
    similar_to: "找与 {name} 相似的",
    similar_frame: "找与此帧相似的",
    similar_frame_of: "{name}，{time}",
    copy: "复制路径",
    copy_of: "复制 {name} 的路径",
    close: "关闭",
    previous: "上一个",
    next: "下一个",
    zoom: "原始大小",
    original: "打开原文件",
    download_clip: "保存此片段",
    hide: "隐藏",
    hide_hint: "不再出现在结果中；文件本身保持不动。",
    restore: "恢复",
    hidden_done: "已隐藏“{name}”。",
    restored_done: "已恢复“{name}”。",
    undo: "撤销",
    tags: "标签",
    tag_add: "添加标签",
    tag_add_button: "添加",
    tag_remove: "移除标签 {tag}",
    moments: "片段",
    moment: "{start} 到 {end}，分数 {score}",
    folder_path: "路径",
    size: "文件大小",
    dimensions: "宽 × 高",
    duration: "时长",
    changed: "修改时间",
    score_name: "分数（余弦）",
    clip_shown: "浏览器无法直接播放此文件。已转换并显示：{start} 到 {end}。",
    clip_earlier: "往前",
    clip_later: "往后",
    cannot_show: "无法显示此文件：{message}",
    duplicates_from: "相似度不低于",
    groups: "{n} 组几乎相同的文件",
    group: "{n} 个文件，相似度 {score}",
    no_duplicates: "没有几乎相同的文件",
    no_duplicates_why: "没有两个文件如此相似。调低数值可以找到更多。",
    failures: "{n} 个文件未能索引",
    no_failures: "没有失败的文件",
    no_failures_why: "文件夹中的所有文件都已索引。",
    failure_path: "文件",
    failure_error: "错误",
    failure_message: "原因",
    hidden: "{n} 个已隐藏文件",
    no_hidden: "没有隐藏的文件",
    no_hidden_why: "在文件视图中点击“隐藏”后，该文件不再出现在结果中，并列在这里。",
    on_this_device: "手机页面：模型在您的浏览器中运行",
    seconds: "{n} 秒",
    minutes: "{n} 分钟",
    hours: "{n} 小时",
  },
};

const LOCALES = { en: "en", zh: "zh-CN" };
let language = remembered("language", navigator.language?.toLowerCase().startsWith("zh") ? "zh" : "en");
if (!(language in TEXTS)) language = "en";

/** The words for a key; `{name}` in them is replaced by `values.name`, and `values.n` chooses the plural. */
export function text(key, values = {}) {
  const words = TEXTS[language];
  const plural = "n" in values ? `${key}.${new Intl.PluralRules(language).select(values.n)}` : key;
  const found = words[plural] ?? words[key];
  if (found === undefined) throw new Error(`no text "${key}" in ${language}`);
  return found.replace(/\{(\w+)\}/g, (_, name) => (typeof values[name] === "number" ? number(values[name]) : values[name]));
}

export function number(value) {
  return new Intl.NumberFormat(LOCALES[language]).format(value);
}

/** A cosine with three digits and a real minus sign. */
export function cosine(value) {
  return value.toFixed(3).replace("-", "−");
}

/** Seconds as 0:05, 12:30 or 1:02:03. */
export function clock(seconds) {
  const whole = Math.max(0, Math.floor(seconds + 1e-6));
  const two = (n) => String(n).padStart(2, "0");
  const [hours, minutes, rest] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, two(whole % 60)];
  return hours ? `${hours}:${two(minutes)}:${rest}` : `${minutes}:${rest}`;
}

/** How long something takes yet, to one unit. */
export function span(seconds) {
  if (seconds < 90) return text("seconds", { n: Math.ceil(seconds) });
  return seconds < 5400 ? text("minutes", { n: Math.round(seconds / 60) }) : text("hours", { n: Math.round(seconds / 3600) });
}

export function bytes(value) {
  const units = ["B", "kB", "MB", "GB", "TB"];
  const unit = Math.min(units.length - 1, Math.floor(Math.log10(Math.max(1, value)) / 3));
  const scaled = value / 1000 ** unit;
  return `${new Intl.NumberFormat(LOCALES[language], { maximumFractionDigits: scaled < 10 && unit ? 1 : 0 }).format(scaled)} ${units[unit]}`;
}

export function date(iso) {
  const moment = new Date(iso);
  if (Number.isNaN(moment.getTime())) return String(iso);
  return new Intl.DateTimeFormat(LOCALES[language], { dateStyle: "medium", timeStyle: "short" }).format(moment);
}

/** Write the words of the language into every element that asks for some by data-text, -label or -placeholder. */
export function writeTexts() {
  document.documentElement.lang = LOCALES[language];
  document.title = text("title");
  for (const element of document.querySelectorAll("[data-text]")) element.textContent = text(element.dataset.text);
  for (const element of document.querySelectorAll("[data-placeholder]")) element.placeholder = text(element.dataset.placeholder);
  for (const element of document.querySelectorAll("[data-label]")) {
    element.setAttribute("aria-label", text(element.dataset.label));
    if (element.matches("button, a")) element.title = text(element.dataset.label);
  }
}

/** Let a button change to the other language, whose name it bears, and call `then` when it did. */
export function languageButton(button, then = () => {}) {
  const write = () => {
    writeTexts();
    button.textContent = text("other_language");
    button.lang = language === "en" ? LOCALES.zh : LOCALES.en;
  };
  button.addEventListener("click", () => {
    language = language === "en" ? "zh" : "en";
    remember("language", language);
    write();
    then();
  });
  write();
}
